"""qmail/smtp/data.py: the message part, both directions."""

from __future__ import annotations

import pytest

from qmail.smtp.data import Decoder, Encoder, Measure
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
# A LF without CR, and where the message then ends: what is behind it.
BARE = {
    "first byte": (b"\n", None),
    "first line": (b"\n.\r\nx", b"x"),
    "after text": (b"a\n", None),
    "a dot": (b".\nx", b"x"),
    "after text and a dot": (b"a\r\n.\nx", b"x"),
    "LF twice": (b"a\r\n\n", None),
    "LF dot LF": (b"a\n.\nx", b"x"),
    "LF dot CR LF": (b"a\n.\r\nx", b"x"),
    "before the end": (b"a\nb\r\n.\r\nx", b"x"),
    "before a dot": (b"a\nb\r\n.\nx", b"x"),
    "dot CR CR LF": (b"a\n.\r\r\nb", None),
    "dot CR text": (b"a\n.\r.\r\n", None),
    "two dots": (b"a\n..\r\n", None),
    "NUL": (b"a\r\0\n.\0\n", None),
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


@pytest.mark.parametrize(
    ("wire", "behind"), BARE.values(), ids=[str(key) for key in BARE]
)
def test_decoder_bare_line_feed_in_any_pieces_ends_at_any_dot(
    wire: bytes, behind: bytes | None
) -> None:
    for parts in pieces(wire):
        decoder = Decoder()
        fed = 0
        for part in parts:
            if decoder.finished:
                break
            decoder.feed(part)
            fed += len(part)
        assert decoder.is_malformed
        assert decoder.finished == (behind is not None)
        assert decoder.rest == b""
        if behind is not None:
            assert fed >= len(wire) - len(behind)


def test_decoder_malformed_returns_nothing_and_holds_three_bytes() -> None:
    decoder = Decoder()
    assert decoder.feed(b"a\r\nb\nc") == b""
    assert decoder.feed(b"x" * 1000 + b"\n.\r") == b""
    assert not decoder.finished
    assert decoder.feed(b"\n") == b""
    assert decoder.finished


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
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a\rb\n", b"a b\r\n.\r\n"),
        (b"\r\n.\r\n", b"\r\n..\r\n.\r\n"),
        (b"a\r\r\r\n", b"a  \r\n.\r\n"),
        (b"\r.\n\0.\n", b" .\r\n .\r\n.\r\n"),
    ],
)
def test_encoder_message_in_any_pieces_is_the_same(disk: bytes, wire: bytes) -> None:
    for parts in pieces(disk):
        encoder = Encoder()
        assert b"".join(map(encoder.feed, parts)) + encoder.finish() == wire


@pytest.mark.parametrize("disk", [b"a", b"a\nb", b".", b"a\r", b"\r"])
def test_encoder_partial_final_line_cannot_be_finished(disk: bytes) -> None:
    for parts in pieces(disk):
        encoder = Encoder()
        for part in parts:
            encoder.feed(part)
        assert encoder.is_partial
        with pytest.raises(ValueError, match="partial"):
            encoder.finish()


@pytest.mark.parametrize(
    ("disk", "size", "is_8bit"),
    [
        (b"", 0, False),
        (b"a\n", 3, False),
        (b"a\r\nb\n", 6, False),
        (b"\r\r\n", 3, False),
        (b".\n..\n", 7, False),
        (b"\x7f\n", 3, False),
        (b"a\n\x80\n", 6, True),
        (b"\r\xff", 2, True),
    ],
)
def test_measure_of_message_in_any_pieces_is_the_same(
    disk: bytes, size: int, is_8bit: bool
) -> None:
    for parts in pieces(disk):
        measure = Measure()
        for part in parts:
            measure.feed(part)
        assert (measure.size, measure.is_8bit) == (size, is_8bit)
