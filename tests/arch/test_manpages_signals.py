"""The signals that a page names are those that its program acts on or sends.

Derived from the code (tests/support/manual_signals.py). What a page says of a signal of
another program, and what it need not say, is in the tables below, each row with the
reason; a row that nothing needs any more fails too.
"""

from __future__ import annotations

import pytest

from qmail.operator import trial
from tests.support.manual_code import PROGRAMS
from tests.support.manual_pages import Page, commands, pages
from tests.support.manual_signals import handled, items, named, said, sent

NOT_SAID: dict[str, tuple[set[str], str]] = {
    "mailsubj": ({"KILL"}, "ends its own child when the message cannot be read"),
    "dot-forward": ({"KILL"}, "the same"),
    "predate": ({"KILL"}, "the same"),
    "preline": ({"KILL"}, "the same"),
    "qsmhook": ({"KILL"}, "the same"),
    "qmail-local": (
        {"ALRM", "XFSZ"},
        "only while it waits for the lock of an mbox, and while it writes to one",
    ),
    "qmail-queued": ({"KILL"}, "ends its own workers"),
}
"""What a program handles or sends, and its user need not know."""

SAID_TOO: dict[str, tuple[set[str], str]] = {
    "multilog": (
        {"KILL", "CHLD"},
        "what nobody can handle, and what it loses; how its processors start",
    ),
    "qmail-lspawn": ({"CHLD"}, "how programs start, in NOTES"),
    "qmail-rspawn": ({"CHLD"}, "the same"),
    "qmail-remote": ({"ALRM"}, "has it sent to itself, and dies of it"),
    "supervise": ({"PIPE"}, "what kills the original, in NOTES"),
    "svscan": ({"PIPE"}, "the same"),
}
"""What a page says besides."""

OF_ANOTHER = {
    "qmail-control.5": handled("qmail-send") & {"HUP"},
    "qmail-log.5": handled("qmail-send") & {"HUP"},
    # The trial: Ctrl-C is INT.
    "pyqmail.8": named(set(trial.STOPPED_BY)) - {"INT"},
    # The commands that it gives to supervise.
    "svc.8": sent("supervise"),
    # Which it becomes, and with -t.
    "svscanboot.8": handled("svscan") - {"HUP", "ALRM"},
}
"""Pages that speak of what another program, or another part of it, handles or sends."""


def expected(page: Page) -> set[str]:
    """The signals that a page is to name."""
    if page.name in OF_ANOTHER:
        return set(OF_ANOTHER[page.name])
    if page.section not in "18" or page.program not in PROGRAMS:
        return set()
    found = {*handled(page.program), *sent(page.program)}
    found -= NOT_SAID.get(page.program, (set(), ""))[0]
    return found | SAID_TOO.get(page.program, (set(), ""))[0]


@pytest.mark.parametrize("name", sorted(pages()))
def test_page_names_exactly_the_signals_of_the_code(name: str) -> None:
    assert said(pages()[name]) == expected(pages()[name])


WITH_ITEMS = sorted(p.program for p in pages().values() if "SIGNALS" in p.sections)


@pytest.mark.parametrize("program", WITH_ITEMS)
def test_section_signals_lists_what_the_program_handles_once(program: str) -> None:
    assert sorted(items(commands()[program])) == sorted(handled(program))


def test_tables_have_what_is_needed_and_no_more() -> None:
    for program, (names, _) in NOT_SAID.items():
        assert names <= handled(program) | sent(program)
        assert not names & said(commands()[program])
    for program, (names, _) in SAID_TOO.items():
        assert not names & (handled(program) | sent(program))
    for name, others in OF_ANOTHER.items():
        program = pages()[name].program
        assert others
        assert program not in PROGRAMS or not handled(program) | sent(program)


@pytest.mark.parametrize(
    ("program", "old", "new"),
    [
        ("qmail-send", ".It HUP\n", ".It USR1\n"),
        ("qmail-send", ".It HUP\n", ".It TERM\n"),
        ("qmail-send", ".It HUP\n", ""),
        ("qmail-send", "by TERM or", "by INT or"),
        ("svscan", "SIGPWR", "SIGUSR1"),
        ("svscan", ".Li KILL", ".Li HUP"),
        ("multilog", "SIGALRM", "SIGHUP"),
        ("tcpserver", ".It Dv SIGUSR1", ".It Dv SIGUSR2"),
        ("qmail-queued", "SIGUSR1 , SIGUSR2", "SIGUSR1"),
        ("svc", "send CONT", "send USR1"),
    ],
)
def test_wrong_signal_in_a_page_is_found(program: str, old: str, new: str) -> None:
    page = commands()[program]
    assert old in page.text
    wrong = changed(page, old, new)
    listed = "SIGNALS" in page.sections and sorted(items(wrong)) != sorted(
        handled(program)
    )
    assert said(wrong) != expected(page) or listed


def changed(page: Page, old: str, new: str) -> Page:
    """The page with another text."""
    wrong = Page(page.path)
    wrong.text = page.text.replace(old, new)
    wrong.sections = {
        name: text.replace(old, new) for name, text in page.sections.items()
    }
    return wrong
