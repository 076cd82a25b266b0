"""qmail/smtp/reply.py."""

from __future__ import annotations

import pytest

from qmail.smtp.reply import (
    MALFORMED,
    MAX_BYTES,
    MAX_TEXT,
    Reply,
    ReplyReader,
    ReplyTooLong,
)
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
    "NUL": (b"250 a\0b\r\n", [(250, b"250 a\0b\n")]),
    "LF inside": (b"250 a\nb\r\n", [(250, b"250 a\n"), (MALFORMED, b"b\n")]),
    "code without text goes on": (b"250-\r\n250\r\n", [(250, b"250-\n250\n")]),
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
def test_reply_without_end_is_left_after_a_million_bytes(piece: bytes) -> None:
    reader = ReplyReader()
    for _ in range(MAX_BYTES // len(piece)):
        reader.receive(piece)
        assert reader.next_reply() is None
    reader.receive(piece)
    with pytest.raises(ReplyTooLong):
        reader.next_reply()


def test_reply_may_have_so_many_bytes_however_many_were_before_it() -> None:
    reader = ReplyReader()
    for _ in range(3):
        reader.receive(b"250-" + b"x" * (MAX_BYTES // 2) + b"\r\n250 end\r\n")
        assert reader.next_reply() is not None


@pytest.mark.parametrize(
    ("code", "is_permanent"),
    [(499, False), (500, True), (599, True), (600, False), (999, False), (250, False)],
)
def test_reply_is_permanent_in_the_five_hundreds(code: int, is_permanent: bool) -> None:
    assert Reply(code, b"").is_permanent is is_permanent


@pytest.mark.parametrize(
    ("text", "keywords"),
    [
        (b"250 SIZE\n", []),
        (b"250-me\n250-size 100\n250 8BitMime\n", [b"SIZE", b"8BITMIME"]),
        (b"250-SIZE\n250 X-SIZE 5\n", [b"X-SIZE"]),
        (b"250-me\n250-SIZE=5\n250\n", [b"SIZE=5"]),
    ],
)
def test_reply_to_ehlo_has_keywords_behind_its_first_line(
    text: bytes, keywords: list[bytes]
) -> None:
    assert Reply(250, text).keywords - {b""} == set(keywords)
