"""What a peer can make grow ends at the ceiling, with 421, and in little time."""

from __future__ import annotations

import tracemalloc

from qmail.smtp.server import Session
from tests.unit.smtp.dialogue import Caller

CEILING = 100_000
CHUNK = b"x" * 32768
NOMEM = b"421 out of memory (#4.3.0)\r\n"


def test_ceiling_endless_command_line_takes_no_memory() -> None:
    caller = Caller(Session(b"me"))
    tracemalloc.start()
    try:
        for _ in range(300):
            caller.feed(CHUNK)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(CHUNK)
    finally:
        tracemalloc.stop()
    assert caller.sent == b""
    caller.feed(b"\r\nQUIT\r\n")
    assert caller.codes == [b"500 ", b"221 "]


def test_ceiling_many_short_lines_in_one_piece_are_fine() -> None:
    caller = Caller(Session(b"me", ceiling=CEILING))
    caller.feed(b"NOOP\r\n" * 20000)
    assert caller.sent == b"250 ok\r\n" * 20000


def test_ceiling_endless_recipients_are_421() -> None:
    caller = Caller(Session(b"me", ceiling=CEILING))
    caller.feed(b"MAIL FROM:<>\r\n")
    taken = 0
    while not caller.ended:
        caller.feed(b"RCPT TO:<someone@ok>\r\n" * 100)
        taken += 100
        assert taken < CEILING
    assert caller.sent.endswith(NOMEM)


def test_ceiling_recipients_may_have_all_of_it() -> None:
    size = len(b"someone@ok\0")
    caller = Caller(Session(b"me", ceiling=100 * size))
    caller.feed(b"MAIL FROM:<>\r\n" + b"RCPT TO:<someone@ok>\r\n" * 100)
    assert caller.codes == [b"250 "] * 101
    caller.feed(b"RCPT TO:<a@ok>\r\n")
    assert caller.ended
    assert caller.sent.endswith(NOMEM)


def test_ceiling_endless_header_line_streams_in_constant_memory() -> None:
    subject = Session(b"me", ceiling=CEILING)
    Caller(subject).feed(b"MAIL FROM:<>\r\nRCPT TO:<a@ok>\r\nDATA\r\n")
    tracemalloc.start()
    try:
        for _ in range(300):
            subject.receive(CHUNK)
            assert subject.next_event() is not None
            assert subject.next_event() is None
        assert tracemalloc.get_traced_memory()[1] < 10 * len(CHUNK)
    finally:
        tracemalloc.stop()
