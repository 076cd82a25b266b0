"""qmail-control(5) and the table that qmail-showctl prints from say the same."""

from __future__ import annotations

import re

from qmail.control.table import TABLE
from tests.conftest import CHECKOUT

PAGE = (CHECKOUT / "man/man5/qmail-control.5").read_text()
OF_THE_GUIDE = {"concurrencyincoming", "defaultdelivery"}
DEFAULT_OF_ME = "none"
"""qmail-showctl has stronger words for a server without a name."""


def tables() -> dict[str, tuple[str, str]]:
    """file -> (default, used by), from the tables under the page's subheadings."""
    found: dict[str, tuple[str, str]] = {}
    for part in PAGE.split(".Ss Used by ")[1:]:
        user = part.partition("\n")[0]
        for name, default in re.findall(
            r"^\.It Pa (\S+) Ta (\S+) Ta ", part, re.MULTILINE
        ):
            assert name not in found
            found[name] = default, user
    return found


def test_page_has_every_control_file_and_the_guides_two() -> None:
    assert set(tables()) == {file.name for file in TABLE} | OF_THE_GUIDE


def test_page_has_the_defaults_and_users_of_the_table() -> None:
    page = tables()
    for file in TABLE:
        default = DEFAULT_OF_ME if file.name == "me" else file.default
        user = "various programs" if file.used_by == "various" else file.used_by
        assert page[file.name] == (default, user)


def test_page_lists_the_files_that_are_lists() -> None:
    text = PAGE.partition("Lists,\n")[2].partition("have an entry a line")[0]
    listed = set(re.findall(r"^\.Pa (\S+)", text, re.MULTILINE))
    assert listed == {file.name for file in TABLE if file.kind == "list"}


def test_guides_files_are_used_by_its_scripts() -> None:
    scripts = CHECKOUT / "service-templates"
    assert "concurrencyincoming" in (scripts / "qmail-smtpd/run").read_text()
    assert "defaultdelivery" in (scripts / "rc").read_text()
    assert {tables()[name][1] for name in OF_THE_GUIDE} == {"scripts of the guide"}
