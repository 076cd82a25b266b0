"""A manual page for every program, clean for both formatters, with its exit status."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from pytools.process.programs import ALIASES, OPERATOR, PYTOOLS, QMAIL
from qmail.operator import cli
from tests.conftest import CHECKOUT, tool
from tests.support.manual_pages import Page

PAGES = sorted((CHECKOUT / "man").glob("man[1-8]/*.[1-8]"))
PROGRAMS = {name.decode() for name in PYTOOLS | QMAIL | OPERATOR}
SCRIPTS = {"config", "config-fast", "inst_check"}
"""Commands of the source directory."""
NO_PROGRAM = {
    # ``make check``.
    "instcheck",
    # What a |command of a .qmail file may count on.
    "qmail-command",
    # package/tools, and the other six of the build's tools.
    "dnsip",
}
SECTIONS = {"NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "SEE ALSO"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
commands = [page for page in PAGES if page.suffix in (".1", ".8")]
every_command = pytest.mark.parametrize("page", commands, ids=lambda page: page.name)


def is_of_pyqmail(page: Path) -> bool:
    """Whether it is the page of a subcommand of pyqmail."""
    first, _, subcommand = page.stem.partition("-")
    return first == "pyqmail" and subcommand in cli.pyqmail.commands


def sections(page: Path) -> list[str]:
    """The section headings, in order."""
    return re.findall(r"^\.Sh (.*)$", page.read_text(), re.MULTILINE)


def test_every_program_has_one_page() -> None:
    described = sorted(page.stem for page in commands if not is_of_pyqmail(page))
    aliases = {name.decode() for name in ALIASES}
    assert described == sorted(PROGRAMS | NO_PROGRAM | SCRIPTS | aliases)


def test_every_script_with_a_page_is_there() -> None:
    for name in SCRIPTS:
        assert os.access(CHECKOUT / name, os.X_OK), name


def test_every_program_has_a_module_and_every_module_a_program() -> None:
    modules = {
        re.sub("_at$", "@", path.stem).replace("_", "-")
        for package in ("pytools/commands", "qmail/commands", "qmail/retired")
        for path in (CHECKOUT / package).glob("*.py")
    }
    assert modules - {"--init--"} == PROGRAMS


def test_every_alias_is_an_alias_of_a_program() -> None:
    assert {name.decode() for name in ALIASES.values()} <= PROGRAMS
    assert not {name.decode() for name in ALIASES} & PROGRAMS


@every_page
def test_page_is_clean_for_groff(page: Path) -> None:
    groff = tool("groff", "groff-base")
    done = subprocess.run(
        [groff, "-mdoc", "-ww", "-z", "-Tutf8", page],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@every_page
def test_page_is_clean_for_mandoc(page: Path) -> None:
    mandoc = tool("mandoc", "mandoc")
    done = subprocess.run(
        [mandoc, "-T", "lint", "-W", "warning", page],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@every_page
def test_page_names_itself_as_its_file_does(page: Path) -> None:
    text = page.read_text()
    title = re.search(r"^\.Dt (\S+) (\d)", text, re.MULTILINE)
    assert title is not None
    assert (title[1].lower(), title[2]) == (page.stem.lower(), page.suffix[1:])
    assert re.search(rf"^\.Nm {re.escape(page.stem)}(?!\S)", text, re.MULTILINE)
    assert re.search(r"^\.Os pyqmail$", text, re.MULTILINE)


@every_command
def test_page_of_a_program_has_the_sections_of_the_house(page: Path) -> None:
    if page.stem in NO_PROGRAM:
        return
    assert SECTIONS - {"SEE ALSO"} <= set(sections(page))


@every_command
def test_exit_status_of_a_page_says_something(page: Path) -> None:
    if page.stem in NO_PROGRAM:
        return
    text = page.read_text().partition(".Sh EXIT STATUS\n")[2].partition("\n.Sh")[0]
    assert re.search(r"\d|\.Ex|exits|never", text), text


ORDER = (
    *("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "DESCRIPTORS", "SIGNALS"),
    *("ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES", "DIAGNOSTICS"),
    *("SEE ALSO", "NOTES", "BUGS", "SECURITY CONSIDERATIONS"),
)


@every_page
def test_sections_of_a_page_are_where_readers_look_for_them(page: Path) -> None:
    usual = [name for name in sections(page) if name in ORDER]
    expected = sorted(usual, key=ORDER.index)
    both = {"DESCRIPTORS", "SIGNALS"}
    if both <= set(usual):
        # Either may be first.
        usual = [name for name in usual if name not in both]
        expected = [name for name in expected if name not in both]
    assert usual == expected
    assert len(set(sections(page))) == len(sections(page))
    assert all(text.strip() for text in Page(page).sections.values())


@every_page
def test_name_of_a_page_is_one_line_that_apropos_can_show(page: Path) -> None:
    name = Page(page).sections["NAME"]
    names, _, about = name.partition(".Nd ")
    assert names.splitlines()[0].startswith(f".Nm {page.stem}")
    assert re.fullmatch(r"[^\nA-Z.][^\n]{8,70}[^\n.]\n|[A-Z]{2}[^\n]*[^\n.]\n", about)


@every_page
def test_quotes_of_a_page_end_where_the_quoted_word_does(page: Path) -> None:
    # ``.Ql a , b`` has b within the quotes.
    wrong = re.findall(
        r"^\.(?:.* )?(?:Ql|Sq|Dq) .* , \S.*$", page.read_text(), re.MULTILINE
    )
    assert wrong == []


@every_page
def test_page_refers_to_others_in_order_and_not_to_itself(page: Path) -> None:
    text = Page(page).sections.get("SEE ALSO", "")
    found = re.findall(r"^\.Xr (\S+) (\d)", text, re.MULTILINE)
    assert found == sorted(set(found), key=lambda one: (one[1], one[0].lower()))
    assert (page.stem, page.suffix[1:]) not in found


def test_references_lead_to_the_right_section() -> None:
    there = {(page.stem, page.suffix[1:]) for page in PAGES}
    ours = PROGRAMS | {page.stem for page in PAGES}
    wrong = [
        f"{page.name}: {name}({section})"
        for page in PAGES
        for name, section in re.findall(
            r"^\.Xr (\S+) (\d)", page.read_text(), re.MULTILINE
        )
        if (name in ours or name.startswith("qmail")) and (name, section) not in there
    ]
    assert wrong == []


def test_every_page_is_found_from_another_one() -> None:
    referred = {
        (name, section, page.name)
        for page in PAGES
        for name, section in re.findall(r"\bXr (\S+) (\d)", page.read_text())
    }
    alone = [
        page.name
        for page in PAGES
        if not any(
            (name, section) == (page.stem, page.suffix[1:]) and by != page.name
            for name, section, by in referred
        )
    ]
    assert alone == []
