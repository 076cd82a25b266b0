"""qmail-pop3d's half of a session; the expectations are what netqmail 1.06 answers."""

from __future__ import annotations

import pytest

from qmail.pop3 import transaction
from qmail.pop3.lines import MAX_LINE
from tests.support.trickle import pieces

SIZES = [120, 0, 7000]
NAMES = [b"1.a.h", b"2.b.h", b"3.c.h,S=7000"]
OK = b"+OK \r\n"
GONE = b"-ERR already deleted\r\n"

DIALOGUES = {
    "stat": (b"STAT\r\n", b"+OK 3 7120\r\n"),
    "stat leaves deleted out": (b"DELE 1\r\nSTAT\r\n", OK + b"+OK 2 7000\r\n"),
    "list": (b"LIST\r\n", b"+OK \r\n1 120\r\n2 0\r\n3 7000\r\n.\r\n"),
    "uidl": (b"UIDL\n", b"+OK \r\n1 1.a.h\r\n2 2.b.h\r\n3 3.c.h,S=7000\r\n.\r\n"),
    "one": (b"LIST 3\r\nuidl  2 x\r\n", b"+OK 3 7000\r\n+OK 2 2.b.h\r\n"),
    "deleted": (b"DELE 2\r\nLIST\r\n", OK + b"+OK \r\n1 120\r\n3 7000\r\n.\r\n"),
    "deleted twice": (b"DELE 2\r\nDELE 2\r\nLIST 2\r\n", OK + GONE * 2),
    "rset": (b"DELE 2\r\nRSET\r\nLIST 2\r\nLAST\r\n", OK * 2 + b"+OK 2 0\r\n+OK 0\r\n"),
    "last": (b"LAST\nDELE 3\nDELE 1\nLAST\n", b"+OK 0\r\n" + OK * 2 + b"+OK 3\r\n"),
    "zero": (b"DELE 0\r\n", b"-ERR messages are counted from 1\r\n"),
    "four": (b"DELE 4\r\n", b"-ERR not that many messages\r\n"),
    "no number": (b"DELE\nRETR x\nTOP -1\nLIST a\n", b"-ERR syntax error\r\n" * 4),
    "unknown": (b"CAPA\r\n\r\nUSER a\r\n", b"-ERR unimplemented\r\n" * 3),
    "noop": (b"NOOP\r\n", OK),
    "unfinished": (b"DELE 1", b""),
}
RETRIEVALS = {
    b"RETR 1": (0, None),
    b"top 3 0": (2, 0),
    b"TOP 3   17x": (2, 17),
    b"TOP 3": (2, None),
    b"TOP 1x5": (0, None),
    b"RETR 1 5": (0, 5),
}


def session() -> transaction.Session:
    return transaction.Session(len(SIZES), SIZES.__getitem__, NAMES.__getitem__)


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue_cut_anywhere_is_answered_as_the_original_does(name: str) -> None:
    wire, said = DIALOGUES[name]
    for parts in pieces(wire):
        talk, answer = session(), b""
        for part in parts:
            talk.receive(part)
            while (event := talk.next_event()) is not None:
                assert event.kind in (transaction.REPLY, transaction.PART)
                answer += event.data
        assert answer == said


@pytest.mark.parametrize("line", RETRIEVALS)
def test_message_is_asked_for_with_its_lines(line: bytes) -> None:
    talk = session()
    talk.receive(line + b"\r\n")
    event = talk.next_event()
    assert event is not None
    assert (event.kind, event.number, event.lines) == (
        transaction.RETRIEVE,
        *RETRIEVALS[line],
    )


def test_quit_says_what_is_to_be_removed() -> None:
    talk = session()
    talk.receive(b"DELE 1\r\nDELE 3\r\nQUIT\r\n")
    kinds = []
    while (event := talk.next_event()) is not None:
        kinds.append(event.kind)
    assert kinds == [transaction.REPLY, transaction.REPLY, transaction.QUIT]
    assert [talk.is_deleted(n) for n in range(3)] == [True, False, True]


def test_line_without_end_ends_the_session_and_removes_nothing() -> None:
    talk = session()
    talk.receive(b"x" * (MAX_LINE + 1))
    event = talk.next_event()
    assert event is not None
    assert event.kind == transaction.ABANDON


@pytest.mark.parametrize("line", [b"LIST\r\n", b"UIDL\r\n"])
def test_listing_comes_in_pieces_and_the_next_command_after_it(line: bytes) -> None:
    count = 100_000
    talk = transaction.Session(count, lambda n: n, lambda n: b"%d" % n)
    talk.receive(line + b"NOOP\r\n")
    events = list(iter(talk.next_event, None))
    assert max(len(event.data) for event in events) < 4096
    assert {event.kind for event in events[:-2]} == {transaction.PART}
    assert [event.kind for event in events[-2:]] == [transaction.REPLY] * 2
    assert events[-1].data == OK
    lines = b"".join(b"%d %d\r\n" % (n + 1, n) for n in range(count))
    whole = b"".join(event.data for event in events[:-1])
    assert whole == OK + lines + b".\r\n"
