"""qmail-control(5) and the table that qmail-showctl prints from say the same."""

from __future__ import annotations

import re

import pytest

from qmail.control.table import LIST, OF_SCRIPTS, TABLE, ControlFile
from qmail.operator import controlpage
from tests.conftest import CHECKOUT
from tests.support.manual_code import PROGRAMS, controls
from tests.support.manual_pages import Page

PAGE = Page(CHECKOUT / "man/man5/qmail-control.5")
OF_THE_GUIDE = """
    badmailfrom          none           qmail-smtpd
    bouncefrom           MAILER-DAEMON  qmail-send
    bouncehost           me             qmail-send
    concurrencyincoming  none           run
    concurrencylocal     10             qmail-send
    concurrencyremote    20             qmail-send
    databytes            0              qmail-smtpd
    defaultdelivery      none           rc
    defaultdomain        me             qmail-inject
    defaulthost          me             qmail-inject
    doublebouncehost     me             qmail-send
    doublebounceto       postmaster     qmail-send
    envnoathost          me             qmail-send
    helohost             me             qmail-remote
    idhost               me             qmail-inject
    localiphost          me             qmail-smtpd
    locals               me             qmail-send
    me                   none           various
    morercpthosts        none           qmail-smtpd
    percenthack          none           qmail-send
    plusdomain           me             qmail-inject
    qmqpservers          none           qmail-qmqpc
    queuelifetime        604800         qmail-send
    rcpthosts            none           qmail-smtpd
    smtpgreeting         me             qmail-smtpd
    smtproutes           none           qmail-remote
    timeoutconnect       60             qmail-remote
    timeoutremote        1200           qmail-remote
    timeoutsmtpd         1200           qmail-smtpd
    virtualdomains       none           qmail-send
"""
"""The guide's table: file, default, used by. Of me it says the full name, which
config-fast writes."""


def rows(text: str) -> list[list[str]]:
    """The first three words of every line."""
    return [line.split()[:3] for line in text.strip().splitlines()]


def test_page_has_the_table_as_it_is_generated() -> None:
    # If not: python -m qmail.operator.controlpage
    assert controlpage.updated(PAGE.text) == PAGE.text


def test_table_is_the_guides() -> None:
    guides = rows(OF_THE_GUIDE)
    assert len(guides) == 30
    files = [file for file in (*TABLE, *OF_SCRIPTS) if not file.is_ours]
    assert sorted(list(controlpage.row(file)[:3]) for file in files) == guides


def test_first_table_of_the_page_is_the_guides() -> None:
    first = PAGE.sections["CONTROL FILES"].partition("Purpose\n")[2].partition(".Ed")[0]
    assert rows(first.replace("\\-", "-")) == rows(OF_THE_GUIDE)


def test_files_of_ours_have_a_table_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = ControlFile("zeal", LIST, "none", "qmail-send", "what is new", is_ours=True)
    monkeypatch.setattr(controlpage, "TABLE", (*TABLE, ours))
    guides, _, others = controlpage.section().partition("unknown to the originals")
    assert "zeal" not in guides
    assert "zeal" in others


@pytest.mark.parametrize("file", [*TABLE, *OF_SCRIPTS], ids=lambda file: file.name)
def test_row_fits_its_columns(file: ControlFile) -> None:
    *cells, purpose = controlpage.row(file)
    for cell, width in zip(cells, controlpage.WIDTHS, strict=True):
        assert len(cell) < width
    assert 0 < len(purpose) <= controlpage.LONGEST


def test_changed_table_makes_the_page_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controlpage, "TABLE", TABLE[1:])
    assert controlpage.updated(PAGE.text) != PAGE.text


def test_page_without_its_marks_is_not_written() -> None:
    with pytest.raises(ValueError, match="marks"):
        controlpage.updated(PAGE.text.replace(controlpage.END, ""))


def test_page_lists_the_files_that_are_lists() -> None:
    text = PAGE.text.partition("Lists,\n")[2].partition("have an entry a line")[0]
    listed = set(re.findall(r"^\.Pa (\S+)", text, re.MULTILINE))
    assert listed == {file.name for file in TABLE if file.kind == LIST}


def test_other_readers_of_the_page_are_those_of_the_code() -> None:
    said: set[tuple[str, str]] = set()
    text = PAGE.text.partition(".Ss Other readers\n")[2].partition(".Ss ")[0]
    for item in text.split(".It Pa ")[1:]:
        names, _, rest = item.partition("\n")
        readers = re.findall(r"^\.Xr (\S+)", rest, re.MULTILINE)
        said |= {(name, one) for name in names.split(" , ") for one in readers}
    users = {(file.name, file.used_by) for file in TABLE}
    found = {
        (name.removesuffix(".cdb"), program)
        for program in PROGRAMS
        if program != "qmail-showctl"
        for name in controls(program)
    }
    # qmail-newmrh is not a reader to the reader of that paragraph: it has the next one.
    compiler = {("morercpthosts", "qmail-newmrh")}
    assert said == {one for one in found if one[0] != "me"} - users - compiler


def test_guides_files_are_used_by_its_scripts() -> None:
    scripts = CHECKOUT / "service-templates"
    readers = {"run": scripts / "qmail-smtpd/run", "rc": scripts / "rc"}
    for file in OF_SCRIPTS:
        assert f"control/{file.name}" in readers[file.used_by].read_text()
