"""Properties of the queue's pure parts."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from qmail.queue import wire
from qmail.queue.envelope import (
    ADDRESS_MAX,
    ChannelReader,
    EnvelopeScanner,
    encode_recipient,
    encode_todo,
    parse_todo,
)
from qmail.queue.exitcodes import Refused

ADDRESSES = st.binary(max_size=40).map(lambda data: data.replace(b"\0", b""))
CUTS = st.lists(st.integers(0, 400), max_size=8)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    points = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [data[a:b] for a, b in itertools.pairwise(points)]


@given(st.integers(0, 2**32), st.integers(0, 2**32), ADDRESSES, st.lists(ADDRESSES))
def test_todo_roundtrip(
    uid: int, pid: int, sender: bytes, recipients: list[bytes]
) -> None:
    encoded = encode_todo(uid, pid, sender, recipients)
    assert parse_todo(encoded) == (uid, pid, sender, recipients)


@given(st.binary(max_size=300))
def test_todo_any_bytes_give_an_envelope_or_value_error(data: bytes) -> None:
    try:
        parse_todo(data)
    except ValueError:
        pass


@given(st.lists(ADDRESSES), CUTS)
def test_channel_any_split_gives_the_recipients(
    recipients: list[bytes], cuts: list[int]
) -> None:
    data = b"".join(map(encode_recipient, recipients))
    reader = ChannelReader()
    found = [record for chunk in split(data, cuts) for record in reader.feed(chunk)]
    assert [address for _, _, address in found] == recipients
    for offset, letter, address in found:
        assert data[offset:].startswith(letter + address + b"\0")


def outcome(chunks: list[bytes]) -> tuple[bytes, bool, int]:
    scanner = EnvelopeScanner()
    passed = b""
    try:
        for chunk in chunks:
            passed += scanner.feed(chunk)
    except Refused as refused:
        return b"", False, refused.code
    return passed, scanner.complete, 0


def reference(data: bytes) -> tuple[bytes, bool, int]:
    """The original's loop: one byte at a time."""
    at, letter = 0, b"F"
    while at < len(data):
        if data[at : at + 1] == b"\0" and letter == b"T":
            return data[:at], True, 0
        if data[at : at + 1] != letter:
            return b"", False, 91
        end = data.find(b"\0", at)
        if end < 0:
            too_long = len(data) - at - 1 > ADDRESS_MAX
            return (b"", False, 11) if too_long else (data, False, 0)
        if end - at - 1 > ADDRESS_MAX:
            return b"", False, 11
        at, letter = end + 1, b"T"
    return data, False, 0


NEARLY_ENVELOPES = st.lists(
    st.sampled_from([b"F", b"T", b"\0", b"ab", b"x" * 500, b"y" * 503]), max_size=30
).map(b"".join)


@given(NEARLY_ENVELOPES, CUTS)
def test_scanner_is_the_loop_of_the_original_at_any_split(
    data: bytes, cuts: list[int]
) -> None:
    assert outcome(split(data, cuts)) == outcome([data]) == reference(data)


@given(st.binary(max_size=200), st.binary(max_size=200), CUTS)
def test_wire_both_ends_agree_at_any_split(
    message: bytes, envelope: bytes, cuts: list[int]
) -> None:
    encoder = wire.Encoder()
    for piece in split(message, cuts):
        encoder.put(piece)
    encoder.end()
    for piece in split(envelope, cuts):
        encoder.put(piece)
    encoder.end()
    decoder = wire.Decoder()
    sections = {wire.MESSAGE: b"", wire.ENVELOPE: b""}
    ends = []
    for chunk in split(bytes(encoder.take()), cuts):
        for kind, data in decoder.feed(chunk):
            if kind in sections:
                sections[kind] += data
            else:
                ends.append(kind)
    assert sections == {wire.MESSAGE: message, wire.ENVELOPE: envelope}
    assert ends == [wire.MESSAGE_END, wire.ENVELOPE_END]


@given(st.binary(max_size=300), CUTS)
def test_wire_any_bytes_are_decoded_alike_at_any_split(
    data: bytes, cuts: list[int]
) -> None:
    def decode(chunks: list[bytes]) -> list[tuple[int, bytes]]:
        decoder = wire.Decoder()
        events: list[tuple[int, bytes]] = []
        for chunk in chunks:
            for kind, part in decoder.feed(chunk):
                if events and events[-1][0] == kind:
                    part = events.pop()[1] + part
                events.append((kind, part))
        return events

    assert decode(split(data, cuts)) == decode([data])
