"""The exit statuses of every page are those that the code of its program can give.

Derived from the code (tests/support/manual_statuses.py). What it cannot tell is in the
tables below, each row with the reason; a row that nothing needs any more fails too.
"""

from __future__ import annotations

import ast
from functools import cache

import pytest

from pytools.process.programs import ALIASES, OPERATOR, PYTOOLS, QMAIL
from qmail.queue.exitcodes import QUEUED
from tests.support.manual_code import is_call, reach, value_of
from tests.support.manual_pages import Page, commands
from tests.support.manual_statuses import Statuses, statuses

OTHER_MAINS = {
    "config": "qmail.operator.config",
    "config-fast": "qmail.operator.config",
    "inst_check": "qmail.operator.inst_check",
    "instcheck": "qmail.operator.instcheck",
    "dnsip": "qmail.operator.dnstools",
    "pyqmail-doctor": "qmail.operator.doctor.__main__",
}
"""Commands of the source directory, and the doctor: the module with the main."""
PROGRAMS = sorted(
    {name.decode() for name in PYTOOLS | QMAIL | OPERATOR} | set(OTHER_MAINS)
)

FOLLOWED_BY_HAND: dict[str, tuple[set[int], str]] = {
    "qmail.retired.elq.read_with: 128 + (status & 127)": (
        {128},
        "plus the number of a signal, as the page says",
    ),
    "qmail.local.dotqmail.program_verdict: status": (
        set(),
        "0 or 99, after which qmail-local goes on or is done",
    ),
    "qmail.commands.qmail_lspawn.main: loop.Spawner(kind, known.qmailq).run()": (
        {0},
        "loop.py: then the status is 0",
    ),
    "qmail.commands.qmail_rspawn.main: "
    "loop.Spawner(kind, known.qmailq, resolver).run()": (
        {0},
        "loop.py: then the status is 0",
    ),
    "qmail.commands.qmail_queued.serve: server.run()": ({0}, "told to end"),
    "qmail.queue.client.Call._send: answer.code": (set(), "the server's: see below"),
    "qmail.commands.qmail_queue._queue: answer.code": (set(), "the server's, too"),
    "pytools.commands.svstat.main: answer": (
        {0, 100, 111},
        "second part of what reporting.report_all returns",
    ),
    "qmail.operator.cli.main: pyqmail.main(words, 'pyqmail', "
    "standalone_mode=False, obj=Places.of_home(home))": (
        {0, 1},
        "click: 0, or the code of the click.exceptions.Exit that a command raised",
    ),
}
"""Expressions that the derivation does not understand: their values, and why."""

NOT_OF_THE_PAGE: dict[str, tuple[set[int], str]] = {
    "config": ({100}, "config-fast alone has an argument"),
}
"""What the code of a page's module gives, but not the command of the page."""

OF_NEIGHBOURS: dict[str, tuple[set[int], str]] = {
    "mconnect": ({0}, "mconnect-io, which tcpclient becomes"),
    "tcpcat": ({0, 1}, "the program that tcpclient becomes"),
}
"""What the programs that this one becomes, or that call it, make of it."""

SAYS_IT_ALL = {"mconnect", "tcpcat"}
"""Pages that list the statuses of those programs, and need not name them."""

ANSWERS = {"qmail.queue.exitcodes.Refused", "qmail.queue.wire.Answer"}
"""What an answer of the queue server is made with, code first."""


@cache
def derived(program: str) -> frozenset[int]:
    """The statuses of a program by its code and the tables."""
    found = statuses(OTHER_MAINS.get(program, program))
    codes = set(found.codes)
    for expression in found.unknown:
        codes |= FOLLOWED_BY_HAND[expression][0]
    if program == "qmail-lspawn":
        codes |= of_deliveries()
    if program == "qmail-queue":
        codes |= of_the_queue_server()
    codes -= NOT_OF_THE_PAGE.get(program, (set(), ""))[0]
    codes |= OF_NEIGHBOURS.get(program, (set(), ""))[0]
    return frozenset(codes)


def of_deliveries() -> set[int]:
    """What qmail-lspawn's children end with before qmail-local runs.

    The page lists them because they decide the report.
    """
    codes = Statuses("qmail-lspawn", with_children=True).codes
    codes |= statuses("qmail-getpw").codes
    return {code for code in codes if code > 111}


def of_the_queue_server() -> set[int]:
    """The codes that qmail-queued, or root's own child, refuses a message with."""
    codes = {QUEUED}
    for program in ("qmail-queue", "qmail-queued"):
        for symbol, node in reach(program).nodes:
            if any(is_call(symbol, node, name) for name in ANSWERS):
                assert isinstance(node, ast.Call)
                value = value_of(symbol.module, node.args[0])
                if isinstance(value, int):
                    codes.add(value)
    return codes


@pytest.mark.parametrize("program", PROGRAMS)
def test_page_has_exactly_the_statuses_of_the_code(program: str) -> None:
    assert set(commands()[program].statuses()) == set(derived(program))


@pytest.mark.parametrize("program", PROGRAMS)
def test_page_says_when_the_status_is_that_of_another_program(program: str) -> None:
    found = statuses(OTHER_MAINS.get(program, program))
    expected = (found.becomes or found.passes_on) and program not in SAYS_IT_ALL
    assert commands()[program].has_status_of_another() is expected


def test_page_of_an_alias_has_statuses_of_its_program() -> None:
    for alias, program in ALIASES.items():
        said = commands()[alias.decode()].statuses()
        assert said
        assert said <= derived(program.decode())


def test_tables_have_what_is_needed_and_no_more() -> None:
    unknown = {
        expression
        for program in PROGRAMS
        for expression in statuses(OTHER_MAINS.get(program, program)).unknown
    }
    assert unknown == set(FOLLOWED_BY_HAND)
    for program, (codes, _) in NOT_OF_THE_PAGE.items():
        assert codes <= statuses(OTHER_MAINS.get(program, program)).codes
    for program, (codes, _) in OF_NEIGHBOURS.items():
        assert not codes & statuses(OTHER_MAINS.get(program, program)).codes


@pytest.mark.parametrize(
    ("old", "new"),
    [(".It 100\n", ".It 101\n"), (".It 100\n", ""), (".It 100\n", ".It 1\n.It 100\n")],
)
def test_wrong_status_in_a_page_is_found(old: str, new: str) -> None:
    page = Page(commands()["setlock"].path)
    assert page.statuses() == derived("setlock")
    before = page.sections["EXIT STATUS"]
    page.sections["EXIT STATUS"] = before.replace(old, new)
    assert page.sections["EXIT STATUS"] != before
    assert page.statuses() != derived("setlock")


def test_statuses_of_a_child_are_not_those_of_its_parent() -> None:
    alone = statuses("qmail-popup")
    assert (alone.codes, alone.becomes) == ({1}, False)
    assert Statuses("qmail-popup", with_children=True).becomes
