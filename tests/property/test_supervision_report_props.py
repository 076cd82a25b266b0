"""supervise/last round the loop, and svstat --json: JSON whatever lies there."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
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
    for name in ("started", "ended", "tells", "ready", "finishing"):
        assert getattr(found, name) == getattr(kept, name)
    assert found.speaks_of(started)
    assert found.speaks_of(ended)
    assert not found.is_newer(max(started, ended))


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
