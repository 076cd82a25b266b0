"""SMTP cores against a reference, any input, any split."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from qmail.smtp.address import MAX_ADDRESS, parse_argument
from qmail.smtp.data import BareLineFeed, Decoder, Encoder
from qmail.smtp.hops import HopCounter
from qmail.smtp.reply import MAX_TEXT, ReplyReader
from qmail.smtp.server import Session
from tests.unit.smtp.dialogue import Caller

WIRE = st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\r\n."])).map(
    b"".join
)
CUTS = st.lists(st.integers(0, 200), max_size=6)
LINES = st.lists(
    st.sampled_from(
        [
            *(b"MAIL FROM:<s>", b"RCPT TO:<r@ok>", b"DATA", b".", b"", b"text", b".x"),
            *(b"RSET", b"HELO x", b"NOOP", b"QUIT", b"Received: x", b'RCPT TO:<"">'),
        ]
    )
).map(b"\r\n".join)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    points = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parts = [data[a:b] for a, b in itertools.pairwise(points)]
    return [part for part in parts if part]


def reference(wire: bytes) -> tuple[bytes, bytes | None] | None:
    """The decoder, one byte at a time: (text, rest or None); None for a bare LF."""
    out = bytearray()
    line = bytearray()
    for at, code in enumerate(wire):
        line.append(code)
        if code != 10:
            continue
        if line[-2:] != b"\r\n":
            return None
        if line == b".\r\n":
            return bytes(out), wire[at + 1 :]
        body = line[:-2]
        if body.startswith(b".") and not body.startswith(b".\r"):
            del body[0]
        out += body + b"\n"
        line.clear()
    return bytes(out), None


@given(WIRE, CUTS)
def test_decoder_agrees_with_reference(wire: bytes, cuts: list[int]) -> None:
    decoder = Decoder()
    out = b""
    rest = b""
    expected = reference(wire)
    try:
        for part in split(wire, cuts):
            if decoder.finished:
                rest += part
            else:
                out += decoder.feed(part)
                rest += decoder.rest
    except BareLineFeed:
        assert expected is None
        return
    assert expected is not None
    text, behind = expected
    if decoder.finished:
        assert (out, rest) == (text, behind)
    else:
        assert behind is None
        # A line end at the very end may be held back still.
        assert out.startswith(text) or out + b"\n" == text


@given(st.binary(), CUTS)
def test_decoder_undoes_encoder(text: bytes, cuts: list[int]) -> None:
    text += b"\n"
    encoder = Encoder()
    wire = b"".join(map(encoder.feed, split(text, cuts))) + encoder.finish()
    decoder = Decoder()
    assert decoder.feed(wire + b"behind") == text
    assert decoder.rest == b"behind"


@given(st.lists(st.sampled_from([b"Received", b"delivered", b"\n", b"x", b":"])), CUTS)
def test_hops_agree_with_line_by_line(words: list[bytes], cuts: list[int]) -> None:
    message = b"".join(words)
    expected = 0
    for line in message.split(b"\n"):
        if not line:
            break
        expected += line.lower().startswith((b"received", b"delivered"))
    counter = HopCounter()
    for part in split(message, cuts):
        counter.feed(part)
    assert counter.hops == expected


@given(LINES | st.binary(), CUTS)
def test_server_any_bytes_any_split_same_outcome(wire: bytes, cuts: list[int]) -> None:
    whole, cut = Caller(Session(b"me")), Caller(Session(b"me"))
    for part in [wire, b""]:
        whole.feed(part)
    for part in [*split(wire, cuts), b""]:
        cut.feed(part)
    assert (whole.sent, whole.messages) == (cut.sent, cut.messages)
    assert whole.ended == cut.ended
    sent = bytes(whole.sent)
    assert sent.replace(b"\r\n", b"").count(b"\n") == 0


@given(st.binary(), st.none() | st.just(b"host"))
def test_address_is_never_longer_than_allowed(text: bytes, host: bytes | None) -> None:
    address = parse_argument(b"FROM:<" + text, {b"\x7f\0\0\1"}, host)
    assert address is None or len(address) <= MAX_ADDRESS


@given(st.binary(), CUTS)
def test_reply_any_bytes_any_split_same_replies(wire: bytes, cuts: list[int]) -> None:
    def replies(parts: list[bytes]) -> list[tuple[int, bytes]]:
        reader = ReplyReader()
        found = []
        for part in parts:
            reader.receive(part)
            while (reply := reader.next_reply()) is not None:
                found.append((reply.code, reply.text))
                assert len(reply.text) <= MAX_TEXT
        return found

    assert replies([wire]) == replies(split(wire, cuts))
