"""Retry times, expiry, and the queues that hold them."""

from __future__ import annotations

from pathlib import Path

import pytest

from qmail.send import controls as control_files
from qmail.send.prioq import TimeQueue
from qmail.send.schedule import is_expired, next_retry

BIRTH = 1_000_000_000


@pytest.mark.parametrize(
    ("skip", "gaps"),
    [(10, [100, 400, 900, 1600, 2500]), (20, [400, 1600, 3600, 6400])],
    ids=["local", "remote"],
)
def test_next_retry_tried_on_time_gives_squares(skip: int, gaps: list[int]) -> None:
    now, seen = BIRTH, []
    for _ in gaps:
        now = next_retry(BIRTH, now, skip)
        seen.append(now - BIRTH)
    assert seen == gaps


@pytest.mark.parametrize(
    ("age", "local", "remote"),
    [
        (0, 100, 400),
        (1, 121, 441),
        (99, 361, 841),
        (100, 400, 900),
        (101, 400, 900),
        (399, 841, 1521),
        (400, 900, 1600),
        (10_000, 12_100, 14_400),
        (100_000, 106_276, 112_896),
        (500_000, 514_089, 528_529),
        (1_000_000, 1_020_100, 1_040_400),
    ],
)
def test_next_retry_at_an_age_is_the_originals(
    age: int, local: int, remote: int
) -> None:
    assert next_retry(BIRTH, BIRTH + age, 10) == BIRTH + local
    assert next_retry(BIRTH, BIRTH + age, 20) == BIRTH + remote


@pytest.mark.parametrize(
    ("queuelifetime", "last_tries"),
    [
        (b"100\n", [110, 604_000, 604_900]),
        (b"100x\n", [110, 604_000, 604_900]),
        (b"0\n", [5, 95, 110, 604_000, 604_900]),
        (b"x\n", [604_900]),
        (b"\n", [604_900]),
        (b"-5\n", [604_900]),
        (b" 50\n", [604_900]),
        (None, [604_900]),
    ],
)
def test_age_of_the_last_try_is_the_originals(
    queuelifetime: bytes | None,
    last_tries: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "control").mkdir()
    (tmp_path / "control/me").write_text("here\n")
    if queuelifetime is not None:
        (tmp_path / "control/queuelifetime").write_bytes(queuelifetime)
    monkeypatch.chdir(tmp_path)
    lifetime = control_files.read().lifetime
    ages = [5, 95, 110, 604_000, 604_900]
    assert [a for a in ages if is_expired(BIRTH, BIRTH + a, lifetime)] == last_tries


def test_next_retry_of_message_from_the_future_counts_from_its_birth() -> None:
    assert next_retry(BIRTH, BIRTH - 5000, 10) == BIRTH + 100


def test_time_queue_gives_due_ones_in_order_and_equals_as_added() -> None:
    queue = TimeQueue()
    for when, qnum in ((5, 1), (3, 2), (5, 3), (3, 4), (9, 5)):
        queue.add(when, qnum)
    assert [queue.pop_due(5) for _ in range(5)] == [2, 4, 1, 3, None]
    assert queue.earliest(0) == 9
    assert len(queue) == 1


def test_time_queue_earliest_of_empty_is_the_alternative() -> None:
    assert TimeQueue().earliest(77) == 77


def test_time_queue_reschedule_makes_everything_due_in_added_order() -> None:
    queue = TimeQueue()
    for when, qnum in ((50, 1), (20, 2), (90, 3)):
        queue.add(when, qnum)
    queue.reschedule(10)
    assert [queue.pop_due(10) for _ in range(4)] == [1, 2, 3, None]


def test_time_queue_drain_gives_times_and_empties() -> None:
    queue = TimeQueue()
    queue.add(7, 1)
    queue.add(3, 2)
    assert sorted(queue.drain()) == [(3, 2), (7, 1)]
    assert len(queue) == 0
