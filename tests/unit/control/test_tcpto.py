"""The table of hosts that did not answer."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytools.process import child
from qmail.control import tcpto

HOST = b"\xc0\x00\x02\x01"
NOW = 1_700_000_000


def record(address: bytes, count: int, when: int) -> bytes:
    return address + bytes([count, 0, 0, 0]) + when.to_bytes(4, "little") + bytes(4)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "tcpto"
    path.write_bytes(bytes(1024))
    return path


def test_record_of_first_timeout_is_the_originals_bytes(table: Path) -> None:
    tcpto.note_timeout(HOST, NOW, bytes(table))
    assert table.read_bytes() == record(HOST, 1, NOW) + bytes(1008)


@pytest.mark.parametrize(
    ("count", "age", "pid", "skipped"),
    [
        (1, 0, 0, False),
        (2, 0, 0, True),
        (2, 60 * 64 - 1, 0, True),
        (2, 60 * 64, 0, False),
        (2, 60 * 64, 1, True),
        (10, 91 * 64 - 1, 31, True),
        (10, 91 * 64, 31, False),
        (10, 60 * 64, 32, False),
        (2, -1000, 0, True),
    ],
)
def test_host_is_left_alone_for_its_time(
    table: Path, count: int, age: int, pid: int, skipped: bool
) -> None:
    table.write_bytes(record(b"\1\1\1\1", 9, NOW) + record(HOST, count, NOW - age))
    assert tcpto.is_timed_out(HOST, NOW, pid, bytes(table)) is skipped


def test_timeouts_close_together_count_once(table: Path) -> None:
    for when in (NOW, NOW + 1, NOW + 119):
        tcpto.note_timeout(HOST, when, bytes(table))
    assert table.read_bytes()[:16] == record(HOST, 1, NOW)
    tcpto.note_timeout(HOST, NOW + 120, bytes(table))
    assert table.read_bytes()[:16] == record(HOST, 2, NOW + 120)


def test_timeouts_are_counted_to_ten(table: Path) -> None:
    for turn in range(15):
        tcpto.note_timeout(HOST, NOW + 200 * turn, bytes(table))
    assert table.read_bytes()[:16] == record(HOST, 10, NOW + 200 * 14)


def test_success_clears_the_count_and_nothing_else(table: Path) -> None:
    table.write_bytes(record(HOST, 7, NOW) + bytes(1008))
    tcpto.note_success(HOST, bytes(table))
    assert table.read_bytes() == record(HOST, 0, NOW) + bytes(1008)


def test_success_of_a_stranger_changes_nothing(table: Path) -> None:
    before = record(HOST, 7, NOW) * 64
    table.write_bytes(before)
    tcpto.note_success(b"\1\2\3\4", bytes(table))
    assert table.read_bytes() == before


def test_timeout_after_success_counts_at_once(table: Path) -> None:
    table.write_bytes(record(HOST, 0, NOW) + bytes(1008))
    tcpto.note_timeout(HOST, NOW + 5, bytes(table))
    assert table.read_bytes()[:16] == record(HOST, 1, NOW + 5)


def test_new_host_takes_the_first_free_record(table: Path) -> None:
    taken = [record(bytes([1, 1, 1, n]), 1, NOW - n) for n in range(64)]
    taken[5] = record(b"\1\1\1\5", 0, NOW + 1000)
    table.write_bytes(b"".join(taken))
    tcpto.note_timeout(HOST, NOW, bytes(table))
    assert table.read_bytes()[80:96] == record(HOST, 1, NOW)


def test_new_host_in_full_table_takes_the_oldest(table: Path) -> None:
    # A timeout more is worth 1024 seconds.
    taken = [record(bytes([1, 1, 1, n]), 2, NOW) for n in range(64)]
    taken[9] = record(b"\1\1\1\x09", 3, NOW - 1023)
    taken[10] = record(b"\1\1\1\x0a", 1, NOW + 1023)
    taken[11] = record(b"\1\1\1\x0b", 3, NOW - 1026)
    table.write_bytes(b"".join(taken))
    tcpto.note_timeout(HOST, NOW, bytes(table))
    assert table.read_bytes()[176:192] == record(HOST, 1, NOW)


@pytest.mark.parametrize("size", [0, 15, 16, 40])
def test_short_table_keeps_its_size(table: Path, size: int) -> None:
    table.write_bytes(bytes(size))
    tcpto.note_timeout(HOST, NOW, bytes(table))
    assert table.stat().st_size == size
    tcpto.note_timeout(HOST, NOW + 500, bytes(table))
    assert tcpto.is_timed_out(HOST, NOW + 500, 1, bytes(table)) is (size >= 16)


def test_missing_table_means_all_hosts_answer(tmp_path: Path) -> None:
    path = bytes(tmp_path / "none")
    assert tcpto.is_timed_out(HOST, NOW, 1, path) is False
    tcpto.note_timeout(HOST, NOW, path)
    tcpto.note_success(HOST, path)
    assert os.listdir(tmp_path) == []


def test_clear_forgets_all(table: Path) -> None:
    table.write_bytes(record(HOST, 7, NOW) * 64)
    tcpto.clear(bytes(table))
    assert table.read_bytes() == bytes(1024)


@pytest.mark.parametrize("act", ["is_timed_out", "note_success", "note_timeout"])
def test_table_is_read_and_written_under_flock(table: Path, act: str) -> None:
    table.write_bytes(record(HOST, 5, NOW) + bytes(1008))
    calls: dict[str, Callable[[], object]] = {
        "is_timed_out": lambda: tcpto.is_timed_out(HOST, NOW, 1, bytes(table)),
        "note_success": lambda: tcpto.note_success(HOST, bytes(table)),
        "note_timeout": lambda: tcpto.note_timeout(HOST, NOW + 999, bytes(table)),
    }
    with open(table, "r+b") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        started, go = os.pipe()

        def body() -> int:
            os.write(go, b".")
            calls[act]()
            return 0

        pid = child.fork(body)
        os.read(started, 1)
        os.close(started)
        os.close(go)
        # Nothing is decided before the lock is had: the change of its holder counts.
        assert os.waitpid(pid, os.WNOHANG)[0] == 0
        holder.write(bytes(1024))
        holder.flush()
        fcntl.flock(holder, fcntl.LOCK_UN)
    assert child.wait_for(pid) == 0
    expected = record(HOST, 1, NOW + 999) if act == "note_timeout" else bytes(16)
    assert table.read_bytes()[:16] == expected


HOST6 = b"\x20\x01\x0d\xb8" + bytes(11) + b"\1"


def test_ipv6_host_has_a_record_of_its_size_in_a_table_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "queue/lock").mkdir(parents=True)
    four, six = tmp_path / "queue/lock/tcpto", tmp_path / "queue/lock/tcpto6"
    four.write_bytes(bytes(tcpto.SIZE))
    # Without a table, nothing is remembered and nothing fails.
    tcpto.note_timeout(HOST6, NOW)
    assert not tcpto.is_timed_out(HOST6, NOW, 1)
    tcpto.clear6()
    six.write_bytes(bytes(tcpto.SIZE6))
    for turn in range(2):
        tcpto.note_timeout(b"\1" * 16, NOW + 200 * turn)
        tcpto.note_timeout(HOST6, NOW + 200 * turn)
    assert six.read_bytes()[28:56] == record(HOST6, 2, NOW + 200)
    assert four.read_bytes() == bytes(tcpto.SIZE)
    assert tcpto.is_timed_out(HOST6, NOW + 200, 1)
    assert not tcpto.is_timed_out(HOST, NOW + 200, 1)
    tcpto.note_success(HOST6)
    assert six.read_bytes()[28:56] == record(HOST6, 0, NOW + 200)
    assert [r.count for r in tcpto.records(six.read_bytes(), 16)] == [2] + [0] * 63
    tcpto.clear6()
    assert six.read_bytes() == bytes(tcpto.SIZE6)
