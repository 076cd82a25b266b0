"""qmail/smtp/reply.py."""

from __future__ import annotations

import pytest

from qmail.smtp.reply import MALFORMED, MAX_BYTES, MAX_TEXT, ReplyReader
from tests.support.trickle import pieces

REPLIES = {
    "one line": (b"220 hi\r\n", [(220, b"220 hi\n")]),
    "code alone": (b"250\r\n", [(250, b"250\n")]),
    "LF alone": (b"250 ok\n", [(250, b"250 ok\n")]),
    "two lines": (b"250-a\r\n250 b\r\n", [(250, b"250-a\n250 b\n")]),
    "first code counts": (b"250-a\r\n550 b\r\n", [(250, b"250-a\n550 b\n")]),
    "two replies": (b"250 a\r\n354 b\r\n", [(250, b"250 a\n"), (354, b"354 b\n")]),
    "CR inside": (b"250 a\rb\r\n", [(250, b"250 ab\n")]),
    "no digits": (b"hello\r\n", [(MALFORMED, b"hello\n")]),
    "too few digits": (b"25\r\n", [(MALFORMED, b"25\n")]),
    "empty line": (b"\r\n", [(MALFORMED, b"\n")]),
    "four digits": (b"2500 a\r\n", [(250, b"2500 a\n")]),
    "not complete": (b"250 a", []),
    "more to come": (b"250-a\r\n", []),
}


def read(parts: list[bytes]) -> list[tuple[int, bytes]]:
    reader = ReplyReader()
    found = []
    for part in parts:
        reader.receive(part)
        while (reply := reader.next_reply()) is not None:
            found.append((reply.code, reply.text))
    return found


@pytest.mark.parametrize(("wire", "replies"), REPLIES.values(), ids=[*REPLIES])
def test_reply_in_any_pieces_is_the_same(
    wire: bytes, replies: list[tuple[int, bytes]]
) -> None:
    for parts in pieces(wire):
        assert read(parts) == replies


def test_reply_endless_keeps_so_much_and_no_more() -> None:
    reader = ReplyReader()
    for _ in range(900):
        reader.receive(b"250-" + b"x" * 1000 + b"\r\n")
        assert reader.next_reply() is None
    reader.receive(b"250 end\r\n")
    reply = reader.next_reply()
    assert reply is not None
    assert (reply.code, len(reply.text)) == (250, MAX_TEXT)


def test_reply_endless_line_keeps_so_much_and_no_more() -> None:
    replies = read([b"250 "] + [b"x" * 1000] * 100 + [b"\r\n"])
    assert [(code, len(text)) for code, text in replies] == [(250, MAX_TEXT)]


@pytest.mark.parametrize("piece", [b"220-go on\r\n", b"x" * 1000])
def test_reply_without_end_is_malformed_after_a_million_bytes(piece: bytes) -> None:
    reader = ReplyReader()
    taken = 0
    while (found := reader.next_reply()) is None:
        assert taken <= MAX_BYTES + len(piece)
        reader.receive(piece)
        taken += len(piece)
    assert found.code == MALFORMED
    reader.receive(b"250 ok\r\n")
    after = reader.next_reply()
    assert after is not None
    assert after.code == 250
