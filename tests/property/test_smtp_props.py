"""SMTP cores against a reference, any input, any split."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from qmail.smtp.address import MAX_ADDRESS, parse_argument
from qmail.smtp.data import Decoder, Encoder, Measure
from qmail.smtp.hops import HopCounter
from qmail.smtp.reply import MAX_TEXT, ReplyReader

CUTS = st.lists(st.integers(0, 200), max_size=6)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    points = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parts = [data[a:b] for a, b in itertools.pairwise(points)]
    return [part for part in parts if part]


@given(st.binary(), CUTS)
def test_decoder_undoes_encoder(text: bytes, cuts: list[int]) -> None:
    text = text.translate(None, b"\r\0") + b"\n"
    encoder = Encoder()
    wire = b"".join(map(encoder.feed, split(text, cuts))) + encoder.finish()
    decoder = Decoder()
    assert decoder.feed(wire + b"behind") == text
    assert decoder.rest == b"behind"


STORED = st.lists(
    st.sampled_from([b"\r", b"\n", b".", b"\0", b"a", b"\x80", b"\r\n", b"\n.\r"])
).map(b"".join)


@given(STORED, CUTS)
def test_encoder_leaves_no_receiver_an_end_inside(text: bytes, cuts: list[int]) -> None:
    text += b"\n"
    encoder = Encoder()
    wire = b"".join(map(encoder.feed, split(text, cuts)))
    assert wire.endswith(b"\r\n")
    lines = wire.split(b"\r\n")
    # Nothing but CR LF can be taken for a line end, and nothing for a dot alone.
    assert not any(set(line) & set(b"\r\n\0") for line in lines)
    assert not any(line.startswith(b".") for line in lines if line[:2] != b"..")
    # What the lines say is what was stored, but for those three.
    undone = [line.removeprefix(b".") if line[:1] == b"." else line for line in lines]
    seen = b"\n".join(undone).replace(b" ", b"")
    assert seen == text.translate(None, b"\r\0")


@given(STORED, CUTS)
def test_measure_is_the_size_of_what_the_encoder_makes(
    text: bytes, cuts: list[int]
) -> None:
    text += b"\n"
    measure = Measure()
    for part in split(text, cuts):
        measure.feed(part)
    lines = Encoder().feed(text).split(b"\r\n")
    doubled = sum(line.startswith(b".") for line in lines)
    assert measure.size == len(b"\r\n".join(lines)) - doubled
    assert measure.is_8bit is any(byte > 127 for byte in text)


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


@given(st.binary(), st.none() | st.just(b"host"))
def test_address_is_never_longer_than_allowed(text: bytes, host: bytes | None) -> None:
    address, _ = parse_argument(b"FROM:<" + text, {b"\x7f\0\0\1"}, host)
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
