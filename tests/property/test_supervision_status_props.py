"""supervise/status: what is packed is what svstat tells."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytools.base import tai
from pytools.supervision import status

PIDS = st.integers(0, 2**32 - 1)
STAMPS = st.integers(0, 2**40)
WANTS = st.sampled_from([b"u", b"d", b"\0"])


@given(STAMPS, st.integers(0, 999_999_999), PIDS, st.booleans(), WANTS)
def test_pack_any_values_lie_where_the_format_says(
    seconds: int, nanos: int, pid: int, paused: bool, want: bytes
) -> None:
    record = status.pack(tai.pack(seconds, nanos), pid, paused, want)
    assert len(record) == status.SIZE
    assert int.from_bytes(record[:8], "big") == 2**62 + 10 + seconds
    assert int.from_bytes(record[8:12], "big") == nanos
    assert int.from_bytes(record[12:16], "little") == pid
    assert record[16] == paused
    assert record[17:] == want


@given(st.binary(min_size=18, max_size=18), STAMPS, st.booleans())
def test_describe_any_record_is_one_clause_with_a_number(
    record: bytes, now: int, normally_up: bool
) -> None:
    words = status.describe(record, now + tai.TAI_OFFSET, normally_up)
    assert words.startswith((b"up (pid ", b"down "))
    assert b" seconds" in words
    assert b"\n" not in words


@given(STAMPS, st.integers(0, 10**6), PIDS, st.booleans(), WANTS, st.booleans())
def test_describe_sane_record_counts_seconds(
    start: int, age: int, pid: int, paused: bool, want: bytes, normally_up: bool
) -> None:
    record = status.pack(tai.pack(start, 0), pid, paused, want)
    words = status.describe(record, start + age + tai.TAI_OFFSET, normally_up)
    up = b"up (pid %d)" % pid if pid else b"down"
    assert words.partition(b" seconds")[0] == b"%b %d" % (up, age)
    assert (b", paused" in words) == bool(pid and paused)
    assert (b", want up" in words) == (not pid and want == b"u")
    assert (b", want down" in words) == bool(pid and want == b"d")
    assert (b", normally down" in words) == bool(pid and not normally_up)
    assert (b", normally up" in words) == (not pid and normally_up)
