"""The numbers of messages: the caller's once, then ones of their own."""

from __future__ import annotations

import pytest

from qmail.queue import numbering
from qmail.queue.numbering import PROCESSES_MAX, Numbers


def test_each_process_is_known_by_its_own_number_once() -> None:
    numbers = Numbers()
    assert [numbers.take(pid) for pid in (7, 8, 9)] == [7, 8, 9]


def test_no_two_messages_have_one_number() -> None:
    numbers = Numbers()
    taken = [numbers.take(pid) for pid in [7, 7, 8, 7, 8, 8, 9] * 50]
    assert len(set(taken)) == len(taken)
    assert all(number > PROCESSES_MAX for number in set(taken) - {7, 8, 9})


def test_who_hands_in_much_is_not_forgotten_for_those_who_come_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numbering, "_REMEMBERED", 10)
    numbers = Numbers()
    assert numbers.take(7) == 7
    for pid in range(100, 200):
        assert numbers.take(pid) == pid
        assert numbers.take(7) > PROCESSES_MAX
    assert len(numbers._named) == 10
    assert numbers.take(100) == 100  # forgotten: it may be another process now


def test_numbers_begin_again_before_they_are_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numbering, "_NUMBER_MAX", PROCESSES_MAX + 2)
    monkeypatch.setattr("time.time", lambda: 0.0)
    numbers = Numbers()
    taken = [numbers.take(7) for _ in range(4)]
    first = PROCESSES_MAX + 1
    assert taken == [7, first, first + 1, first]
