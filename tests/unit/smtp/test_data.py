"""qmail/smtp/data.py: the message part, both directions."""

from __future__ import annotations

import pytest

from qmail.smtp.data import BareLineFeed, Decoder, Encoder
from tests.support.trickle import pieces

MESSAGES = {
    "empty": (b".\r\n", b""),
    "one line": (b"a\r\n.\r\n", b"a\n"),
    "empty line": (b"\r\n.\r\n", b"\n"),
    "header and body": (b"A: b\r\n\r\nc\r\n.\r\n", b"A: b\n\nc\n"),
    "doubled dot": (b"..\r\n.\r\n", b".\n"),
    "dot before text": (b".a\r\n..b\r\n.\r\n", b"a\n.b\n"),
    "dot inside a line": (b"a.b\r\n.\r\n", b"a.b\n"),
    "CR inside a line": (b"a\rb\r\n.\r\n", b"a\rb\n"),
    "CR before CRLF": (b"a\r\r\n.\r\n", b"a\r\n"),
    "dot CR text keeps its dot": (b".\ra\r\n.\r\n", b".\ra\n"),
    "dot CR CRLF keeps its dot": (b".\r\r\n.\r\n", b".\r\n"),
    "dot CR twice": (b".\r\r\n.\ra\r\n.\r\n", b".\r\n.\ra\n"),
    "dots only": (b"....\r\n.\r\n", b"...\n"),
    "NUL and 8 bit": (b"\0\xff\r\n.\r\n", b"\0\xff\n"),
    "CR at the start": (b"\ra\r\n.\r\n", b"\ra\n"),
}
BARE = {
    "first byte": b"\n",
    "after text": b"a\n",
    "after a dot": b".\n",
    "after dot and CRLF": b"a\r\n.\n",
    "LF twice": b"a\r\n\n",
    "before the end": b"a\nb\r\n.\r\n",
}


def decode(parts: list[bytes]) -> tuple[bytes, bytes, bool]:
    decoder = Decoder()
    out = rest = b""
    for part in parts:
        if decoder.finished:
            rest += part
        else:
            out += decoder.feed(part)
            rest += decoder.rest
    return out, rest, decoder.finished


@pytest.mark.parametrize(
    ("wire", "disk"), MESSAGES.values(), ids=[str(key) for key in MESSAGES]
)
@pytest.mark.parametrize("behind", [b"", b"QUIT\r\n", b".\r\n", b"\n"])
def test_decoder_message_in_any_pieces_is_the_same(
    wire: bytes, disk: bytes, behind: bytes
) -> None:
    for parts in pieces(wire + behind):
        assert decode(parts) == (disk, behind, True)


@pytest.mark.parametrize("wire", BARE.values(), ids=[str(key) for key in BARE])
def test_decoder_bare_line_feed_in_any_pieces_is_an_error(wire: bytes) -> None:
    for parts in pieces(wire):
        with pytest.raises(BareLineFeed):
            decode(parts)


def test_decoder_holds_back_at_most_four_bytes() -> None:
    decoder = Decoder()
    sent = decoder.feed(b"x" * 1000 + b"\r\n.\r")
    assert sent == b"x" * 1000
    assert decoder.feed(b"y") == b"\n.\ry"


@pytest.mark.parametrize(
    ("disk", "wire"),
    [
        (b"", b".\r\n"),
        (b"a\n", b"a\r\n.\r\n"),
        (b".\n", b"..\r\n.\r\n"),
        (b"..\n.a\n", b"...\r\n..a\r\n.\r\n"),
        (b"\n.\n\n", b"\r\n..\r\n\r\n.\r\n"),
        (b"a\r\n", b"a\r\r\n.\r\n"),
        (b"a\rb\n", b"a\rb\r\n.\r\n"),
    ],
)
def test_encoder_message_in_any_pieces_is_the_same(disk: bytes, wire: bytes) -> None:
    for parts in pieces(disk):
        encoder = Encoder()
        assert b"".join(map(encoder.feed, parts)) + encoder.finish() == wire


@pytest.mark.parametrize("disk", [b"a", b"a\nb", b"."])
def test_encoder_partial_final_line_cannot_be_finished(disk: bytes) -> None:
    for parts in pieces(disk):
        encoder = Encoder()
        for part in parts:
            encoder.feed(part)
        assert encoder.is_partial
        with pytest.raises(ValueError, match="partial"):
            encoder.finish()
