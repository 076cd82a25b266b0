"""qmail-popup's half of a session; the expectations are what netqmail 1.06 answers."""

from __future__ import annotations

import pytest

from qmail.pop3 import login
from tests.support.trickle import pieces

STAMP = b"<7.8@h.example>"
OK = b"+OK \r\n"
SYNTAX = b"-ERR syntax error\r\n"
FIRST = b"-ERR authorization first\r\n"

DIALOGUES = {
    "user and pass": (b"USER a\r\nPASS b\r\n", OK, (b"a", b"b")),
    "any case and LF": (b"uSeR a\npAsS b\n", OK, (b"a", b"b")),
    "spaces": (b"USER  a b \r\nPASS   c d \r\n", OK, (b"a b ", b"c d ")),
    "bytes": (b"USER \xff\r\nPASS \xe9=\t\r\n", OK, (b"\xff", b"\xe9=\t")),
    "NUL ends it": (b"USER a\0b\r\nPASS c\0d\r\n", OK, (b"a", b"c")),
    "two users": (b"USER a\nUSER b\nPASS c\n", OK + OK, (b"b", b"c")),
    "apop": (b"APOP a 0123abc\r\n", b"", (b"a", b"0123abc")),
    "apop keeps spaces": (b"apop  a  b c\r\n", b"", (b"a", b" b c")),
    "apop of nothing": (b"APOP a \r\n", b"", (b"a", b"")),
    "apop without digest": (b"APOP a\r\n", SYNTAX, None),
    "pass first": (b"PASS b\r\n", b"-ERR USER first\r\n", None),
    "empty": (b"USER\r\nUSER  \r\nUSER a\nPASS\n", SYNTAX * 2 + OK + SYNTAX, None),
    "others": (b"STAT\r\n\r\n USER a\r\nCAPA\r\n", FIRST * 4, None),
    "noop": (b"NOOP x\r\n", OK, None),
    "unfinished": (b"USER a\r\nPASS b", OK, None),
}


def talk(parts: list[bytes]) -> tuple[bytes, tuple[bytes, bytes] | None, bytes]:
    """(what was answered, who logs in, how it ended)."""
    session = login.Session(STAMP)
    said = b""
    for part in parts:
        session.receive(part)
        while (event := session.next_event()) is not None:
            if event.kind == login.LOGIN:
                return said, (event.data, event.password), event.kind
            said += event.data
            if event.kind == login.QUIT:
                return said, None, event.kind
    return said, None, b""


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue_cut_anywhere_is_answered_as_the_original_does(name: str) -> None:
    wire, said, who = DIALOGUES[name]
    for parts in pieces(wire):
        assert talk(parts)[:2] == (said, who)


def test_quit_ends_the_session() -> None:
    assert talk([b"QUIT now\r\nUSER a\r\n"]) == (OK, None, login.QUIT)


def test_line_without_end_ends_the_session() -> None:
    assert talk([b"USER ", b"x" * (login.MAX_LINE - 5)])[2] == b""
    said, _, ended = talk([b"USER ", b"x" * login.MAX_LINE])
    assert (said, ended) == (b"-ERR line too long\r\n", login.QUIT)


def test_stranger_has_so_many_commands() -> None:
    wire = b"NOOP\r\n" * login.MAX_COMMANDS
    assert talk([wire])[::2] == (OK * login.MAX_COMMANDS, b"")
    said, who, ended = talk([wire + b"USER a\r\nPASS b\r\n"])
    assert (who, ended) == (None, login.QUIT)
    assert said.endswith(OK + b"-ERR too many commands\r\n")


def test_greeting_holds_the_timestamp() -> None:
    stamp = login.timestamp(7, 8, b"h.example")
    assert login.Session(stamp).greet() == b"+OK <7.8@h.example>\r\n"
