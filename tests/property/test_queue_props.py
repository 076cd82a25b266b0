"""Properties of the queue's pure parts."""

from __future__ import annotations

import itertools
import os

from hypothesis import given, settings
from hypothesis import strategies as st

from qmail.queue import layout, wire
from qmail.queue.enqueue import pid_names
from qmail.queue.envelope import (
    ADDRESS_MAX,
    ChannelReader,
    EnvelopeScanner,
    encode_info,
    encode_recipient,
)
from qmail.queue.exitcodes import Refused
from qmail.queue.intake import Intake
from qmail.send.messages import Records
from tests.support.crashfs import CrashFs
from tests.unit.send.rigging import DIRECTORIES, QNUM, MemoryRig, put

ADDRESSES = st.binary(max_size=40).map(lambda data: data.replace(b"\0", b""))
CUTS = st.lists(st.integers(0, 400), max_size=8)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    points = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [data[a:b] for a, b in itertools.pairwise(points)]


def queued(message: bytes, envelope: bytes, cuts: list[int]) -> tuple[CrashFs, int]:
    """What a worker makes of these; the message's number."""
    fs = CrashFs(DIRECTORIES)
    intake = Intake(5, 7, b"Received: x\n", pid_names(7), lambda: False, fs)
    for piece in split(message, cuts):
        intake.message(piece)
    intake.end_message()
    for piece in split(envelope, cuts):
        intake.envelope(piece)
    intake.end_envelope()
    intake.commit()
    return fs, intake.entry.number


def stored(fs: CrashFs, path: bytes) -> list[tuple[bytes, bytes]]:
    """Letter and text of each record, as qmail-send reads them."""
    fd = fs.open(path, os.O_RDONLY)
    try:
        records = Records(fd, fs)
        found = [(letter, text) for _, letter, text in iter(records.next, None)]
        assert not records.is_cut()
    finally:
        fs.close(fd)
    return found


@settings(max_examples=50)
@given(st.binary(max_size=300), ADDRESSES, st.lists(ADDRESSES), CUTS)
def test_todo_qmail_send_reads_what_was_queued(
    message: bytes, sender: bytes, recipients: list[bytes], cuts: list[int]
) -> None:
    addresses = b"".join(map(encode_recipient, recipients))
    fs, n = queued(message, encode_info(sender) + addresses + b"\0", cuts)
    head = [(b"u", b"5"), (b"p", b"7"), (b"F", sender)]
    rest = [(b"T", recipient) for recipient in recipients]
    assert stored(fs, layout.todo(n)) == head + rest
    assert fs.content(layout.mess(n)) == b"Received: x\n" + message


@settings(max_examples=50)
@given(
    st.lists(st.sampled_from([b"u", b"F", b"T", b"D", b"a@v.example", b"\0"])).map(
        b"".join
    )
)
def test_todo_any_bytes_are_preprocessed_whole_or_warned_of(data: bytes) -> None:
    fs = CrashFs(DIRECTORIES)
    put(fs, layout.mess(QNUM), b"\n")
    put(fs, layout.todo(QNUM), data)
    rig = MemoryRig(fs)
    try:
        message = rig.preprocessor.prepare(QNUM)
        done = message is not None and rig.preprocessor.commit([message]) == [message]
        warnings = [line for line in rig.lines() if line.startswith("warning: ")]
    finally:
        rig.close()
    letters = [record[:1] for record in data.split(b"\0")]
    whole = letters.pop() == b"" and set(letters) <= {b"u", b"F", b"T"}
    assert done == (whole and b"F" in letters)
    assert len(warnings) == (not done)
    if done:
        written = fs.content(layout.local(QNUM)) or b""
        written += fs.content(layout.remote(QNUM)) or b""
        assert written.count(b"\0") == letters.count(b"T")


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
