"""supervise/last round the loop, and svstat --json: JSON whatever lies there."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from pytools.base import tai
from pytools.supervision import last, report, reporting, status, waiting

SECONDS = st.integers(0, 4 * 10**9)
NANOS = st.integers(0, 999_999_999)
STAMPS = st.builds(tai.pack, SECONDS, NANOS)
# What waitpid gives: an exit code, or a signal with or without a core.
WAITS = st.one_of(
    st.integers(0, 255).map(lambda code: code << 8),
    st.integers(1, 64),
    st.integers(1, 64).map(lambda number: number | 128),
)


@given(
    STAMPS, STAMPS, STAMPS, WAITS, st.booleans(), st.booleans(), st.integers(0, 9999)
)
def test_last_any_history_is_read_as_it_was_written(
    started: bytes,
    ended: bytes,
    ready: bytes,
    wait_status: int,
    tells: bool,
    finishing: bool,
    starts: int,
) -> None:
    kept = last.Last()
    assert kept.pack() == b""
    kept.note_end(ended, wait_status)
    kept.starts = starts
    kept.note_start(started, tells)
    kept.ready = ready if tells else b""
    kept.finishing = finishing
    text = kept.pack()
    assert len(text) < last.SIZE
    found = last.parse(text)
    assert found.starts == starts + 1
    assert found.finish_arguments() == kept.finish_arguments()
    for name in ("started", "ended", "over", "tells", "ready", "finishing"):
        assert getattr(found, name) == getattr(kept, name)
    assert found.speaks_of(started)
    assert not found.is_newer(started)
    assert found.speaks_of(ended) == (started == ended)
    assert found.is_newer(ended) == (started != ended)


WANTS = st.sampled_from([b"u", b"d", b"\0"])


class Disk:
    """supervise's two files as it replaces them, and what was true after each event."""

    def __init__(self, place: str, before: bytes, want: bytes) -> None:
        self.place = Path(place)
        self.kept = last.Last()
        self.truth = Truth(before, 0, want, None)
        (self.place / "supervise").mkdir()
        (self.place / "supervise/ok").touch()
        self.write_status()

    def write_last(self) -> None:
        (self.place / "supervise/last").write_bytes(self.kept.pack())

    def write_status(self) -> None:
        stamp, pid, want, _ = self.truth
        record = status.pack(stamp, pid, False, want)
        (self.place / "supervise/status").write_bytes(record)

    def start(self, stamp: bytes, tells: bool) -> None:
        self.kept.note_start(stamp, tells)
        self.truth = Truth(stamp, 4711, self.truth.want, False if tells else None)
        self.write_last()

    def end(self, stamp: bytes, finishing: bool) -> None:
        self.kept.note_end(stamp, 9)
        self.kept.finishing = finishing
        self.truth = Truth(stamp, 0, self.truth.want, None)
        self.write_last()

    def look(self) -> tuple[report.Report, Truth]:
        seen = report.look(bytes(self.place))
        assert not seen.problem
        return seen, Truth(seen.stamp, seen.pid, seen.record[17:18], seen.ready)


class Truth(NamedTuple):
    """Of a service at one time."""

    stamp: bytes
    pid: int
    want: bytes
    ready: bool | None


@settings(max_examples=50)
@given(
    st.lists(STAMPS, min_size=6, max_size=6, unique=True),
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=2),
    WANTS,
)
def test_look_between_any_two_writes_shows_what_is_or_was(
    stamps: list[bytes], rounds: list[tuple[bool, bool]], want: bytes
) -> None:
    # The stamps are in no order: clocks are put back. Only what is there before the
    # first start needs to be older than that.
    before, *stamps = [min(stamps), *(s for s in stamps if s != min(stamps))]
    with TemporaryDirectory() as place, patch.object(report, "PAUSE_SECONDS", 0):
        disk = Disk(place, before, want)
        for tells, finishing in rounds:
            old = disk.truth
            disk.start(stamps.pop(), tells)
            seen, shown = disk.look()
            # Its pid is not known yet.
            assert seen.changing
            assert seen.last is None
            assert shown == old
            assert not any(waiting.is_reached(w, seen, b"") for w in waiting.WISHES)
            disk.write_status()
            seen, shown = disk.look()
            assert (shown, seen.changing) == (disk.truth, False)
            for wish in (b"U", b"R"):
                assert waiting.is_reached(wish, seen, old.stamp) == (not tells)
            if tells:
                disk.kept.ready = b"r" * 12
                disk.write_last()
                assert waiting.is_reached(b"U", disk.look()[0], b"")

            disk.end(stamps.pop(), finishing)
            for _ in range(2):
                seen, shown = disk.look()
                assert (shown, seen.changing) == (disk.truth, False)
                assert seen.last is not None
                assert seen.last.finishing == finishing
                for wish in (b"u", b"U", b"r", b"R"):
                    assert not waiting.is_reached(wish, seen, b"")
                assert waiting.is_reached(b"d", seen, b"")
                assert waiting.is_reached(b"D", seen, b"") == (not finishing)
                disk.write_status()
            disk.kept.finishing = False
            disk.write_last()
            assert waiting.is_reached(b"D", disk.look()[0], b"")


@given(WAITS)
def test_finish_arguments_any_end_are_a_code_or_a_signal(wait_status: int) -> None:
    kept = last.Last()
    kept.note_end(b"x" * 12, wait_status)
    code, number = kept.finish_arguments()
    if wait_status & 127:
        assert (code, number) == (b"-1", b"%d" % (wait_status & 127))
    else:
        assert (code, number) == (b"%d" % (wait_status >> 8), b"0")


@given(st.binary(max_size=200))
def test_last_any_bytes_are_no_error(text: bytes) -> None:
    assert last.parse(text + b"\n").starts >= 0


@given(st.binary())
def test_quote_any_name_is_a_json_string_on_one_line(name: bytes) -> None:
    quoted = reporting.quote(name)
    assert b"\n" not in quoted
    assert json.loads(quoted) == name.decode("utf-8", "replace")


@given(
    st.one_of(st.none(), st.binary(max_size=20), st.binary(min_size=18, max_size=18)),
    st.one_of(st.none(), st.binary(max_size=40)),
    st.booleans(),
    st.integers(0, 2**62),
)
def test_describe_any_files_is_json_with_the_same_fields(
    record: bytes | None, text: bytes | None, supervised: bool, now: int
) -> None:
    with TemporaryDirectory() as place:
        kept = Path(place, "supervise")
        kept.mkdir()
        if supervised:
            (kept / "ok").touch()
        for name, data in (("status", record), ("last", text)):
            if data is not None:
                (kept / name).write_bytes(data)
        seen = report.look(bytes(Path(place)))
        said = json.loads(reporting.describe(b"s", seen, now))
        for wish in waiting.WISHES:
            assert waiting.is_reached(wish, seen, b"") in (True, False)
    assert list(said) == FIELDS
    if not supervised or record is None or len(record) < status.SIZE:
        assert said["problem"] is not None
        assert said["up"] is None
    else:
        assert said["up"] == (record[12:16] != bytes(4))
        assert said["want"] in ("up", "down", "once")


FIELDS = [
    *("dir", "problem", "supervised", "up", "pid", "seconds", "since", "want"),
    *("normally", "paused", "ready", "finishing", "starts", "exit"),
]


@given(SECONDS, NANOS)
def test_moment_any_second_is_one_that_others_read(seconds: int, nanos: int) -> None:
    text = json.loads(reporting.moment(tai.pack(seconds, nanos)))
    assert len(text) == len("2026-11-22T17:55:14.322330553Z")
    read = datetime.fromisoformat(text[:19] + "+00:00")
    assert int(read.timestamp()) == seconds
    assert text[19:] == f".{nanos:09}Z"
