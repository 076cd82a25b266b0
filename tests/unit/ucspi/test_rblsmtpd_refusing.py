"""pytools/ucspi/refusing.py: the session with a client that is not wanted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytools.ucspi.refusing import ACCEPTED, GOODBYE, Session, refusal
from tests.support.trickle import pieces

NO = b"553 no\r\n"
REPLIES: list[tuple[bytes, list[bytes]]] = [
    (b"HELO x\r\nehlo\r\nMail from:<>\r\n", [ACCEPTED] * 3),
    (b"RSET\nNOOP \r\n", [ACCEPTED] * 2),
    (b"RCPT TO:<a@b>\r\nDATA\r\n\r\n\n", [NO] * 4),
    (b"helox\r\n helo\r\nhelo\tx\r\nhelo\0\r\n", [NO] * 4),
    (b"quit\r\nhelo\r\n", [GOODBYE]),
    (b"QUIT x\nhelo", [GOODBYE]),
    (b"quit\r\r\n", [NO]),
    (b"helo " + b"x" * 500 + b"\r\nquit\r\n", [ACCEPTED, GOODBYE]),
    (b"helo" + b"x" * 500 + b"\r\nnoop\r\n", [NO, ACCEPTED]),
    (b"quit", []),
]


@pytest.mark.parametrize(("wire", "replies"), REPLIES)
def test_command_is_answered_however_it_arrives(
    wire: bytes, replies: list[bytes]
) -> None:
    for parts in pieces(wire):
        session = Session(b"553 no")
        found = [reply for part in parts for reply in session.receive(part)]
        assert found == replies
        assert session.is_over == (GOODBYE in replies)


@given(st.binary(max_size=300))
def test_any_bytes_get_one_reply_a_line(data: bytes) -> None:
    session = Session(b"451 later")
    replies = session.receive(data)
    assert len(replies) == data.count(b"\n") or replies[-1] == GOODBYE
    assert {reply[:3] for reply in replies} <= {b"250", b"221", b"451"}


def test_line_without_end_is_not_kept() -> None:
    session = Session(b"451 later")
    for _ in range(100):
        assert session.receive(b"x" * 10_000) == []
    assert len(session._line) < 100
    assert session.receive(b"\n") == [b"451 later\r\n"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"", b"451 "),
        (b"a\r\nb\0\x7f\xff", b"451 a??b???"),
        (b"x" * 201, b"451 " + b"x" * 200),
    ],
)
def test_reason_is_printable_and_short(text: bytes, line: bytes) -> None:
    assert refusal(b"451", text) == line
