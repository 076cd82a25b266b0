"""The envelope: as read from a channel file, as checked on its way in."""

from __future__ import annotations

import pytest

from qmail.queue import exitcodes
from qmail.queue.envelope import (
    ADDRESS_MAX,
    ChannelReader,
    EnvelopeScanner,
    read_channel,
)
from qmail.queue.exitcodes import Refused

CHANNEL = b"Ta@b\0Dlong.address@example.org\0T\0"
RECORDS = [(0, b"T", b"a@b"), (5, b"D", b"long.address@example.org"), (31, b"T", b"")]


def test_channel_any_split_gives_same_records() -> None:
    for cut in range(len(CHANNEL) + 1):
        reader = ChannelReader()
        found = reader.feed(CHANNEL[:cut]) + reader.feed(CHANNEL[cut:])
        assert found == RECORDS
        assert reader.offset == len(CHANNEL)


def test_channel_offsets_name_the_letter() -> None:
    for offset, letter, _ in RECORDS:
        assert CHANNEL[offset : offset + 1] == letter


def test_channel_reader_resumes_at_its_offset() -> None:
    reader = ChannelReader()
    first = reader.feed(CHANNEL[:12])
    resumed = ChannelReader(reader.offset)
    assert first + resumed.feed(CHANNEL[reader.offset :]) == RECORDS


def test_channel_unknown_letters_are_skipped() -> None:
    assert list(read_channel([b"Ta\0Xb\0\0Dc\0Td"])) == [(b"T", b"a"), (b"D", b"c")]


def scan(*chunks: bytes) -> tuple[bytes, bool]:
    scanner = EnvelopeScanner()
    passed = b"".join([scanner.feed(chunk) for chunk in chunks])
    return passed, scanner.complete


LONGEST = b"x" * ADDRESS_MAX
COMPLETE = {
    "usual": (b"Fs\0Ta\0Tb\0\0", b"Fs\0Ta\0Tb\0"),
    "no recipients": (b"Fs\0\0", b"Fs\0"),
    "empty addresses": (b"F\0T\0\0", b"F\0T\0"),
    "something follows": (b"Fs\0Ta\0\0junk\0", b"Fs\0Ta\0"),
    "longest": (
        b"F%b\0T%b\0\0" % (LONGEST, LONGEST),
        b"F%b\0T%b\0" % (LONGEST, LONGEST),
    ),
}


@pytest.mark.parametrize(("data", "stored"), COMPLETE.values(), ids=COMPLETE)
def test_scanner_any_split_passes_the_records(data: bytes, stored: bytes) -> None:
    step = 1 if len(data) < 100 else 97
    for cut in range(0, len(data) + 1, step):
        assert scan(data[:cut], data[cut:]) == (stored, True)
    assert scan(*[data[i : i + 1] for i in range(len(data))]) == (stored, True)


REFUSED = {
    "not F": (b"Ts\0", exitcodes.BAD_ENVELOPE),
    "not F, no end yet": (b"x", exitcodes.BAD_ENVELOPE),
    "nothing but NUL": (b"\0", exitcodes.BAD_ENVELOPE),
    "two senders": (b"Fs\0Fs\0", exitcodes.BAD_ENVELOPE),
    "not T": (b"Fs\0Ta\0x", exitcodes.BAD_ENVELOPE),
    "sender too long": (b"F%bx" % LONGEST, exitcodes.ADDRESS_TOO_LONG),
    "recipient too long": (b"Fs\0T%bx\0\0" % LONGEST, exitcodes.ADDRESS_TOO_LONG),
    "first mistake counts": (b"Fs\0T%bx\0x" % LONGEST, exitcodes.ADDRESS_TOO_LONG),
}


@pytest.mark.parametrize(("data", "code"), REFUSED.values(), ids=REFUSED)
def test_scanner_bad_envelope_is_refused_at_any_split(data: bytes, code: int) -> None:
    step = 1 if len(data) < 100 else 97
    for cut in range(0, len(data) + 1, step):
        with pytest.raises(Refused) as caught:
            scan(data[:cut], data[cut:])
        assert caught.value.code == code


def test_scanner_unfinished_is_not_complete() -> None:
    assert scan(b"Fs\0Ta\0T") == (b"Fs\0Ta\0T", False)
