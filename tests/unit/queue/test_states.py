"""The table of states."""

from __future__ import annotations

from itertools import combinations

import pytest

from qmail.queue import layout, states
from qmail.queue.states import AFTER_POWER_CUT, FILES, STATES, TRANSITIONS, state_of

SUBSETS = [
    frozenset(kinds)
    for size in range(len(FILES) + 1)
    for kinds in combinations(FILES, size)
]


def test_states_never_overlap() -> None:
    for present in SUBSETS:
        rows = [name for name, row in STATES.items() if states.fits(present, row)]
        assert len(rows) <= 1


def test_states_after_power_cut_widen_their_own_row_only() -> None:
    for present in SUBSETS:
        strict = state_of(present)
        assert strict in (None, state_of(present, after_power_cut=True))


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        ("", "S1"),
        ("mess", "S2"),
        ("mess intd", "S3"),
        ("mess intd todo", "S4"),
        ("mess todo info local remote", "S4"),
        ("mess info", "S5"),
        ("mess info remote bounce", "S5"),
        ("intd", None),
        ("todo", None),
        ("mess local", None),
        ("mess intd info", None),
    ],
)
def test_state_of_files(kinds: str, state: str | None) -> None:
    assert state_of(frozenset(kinds.encode().split())) == state


def test_transitions_reach_every_state_and_return() -> None:
    assert {a for a, *_ in TRANSITIONS} == set(STATES)
    assert {b for _, b, *_ in TRANSITIONS} == set(STATES)
    assert set(AFTER_POWER_CUT) <= set(STATES)


@pytest.mark.parametrize("name", [b"", b"+1", b"1x", b" 1", b".", b"\xb2", b"-1"])
def test_number_of_foreign_name_is_none(name: bytes) -> None:
    assert layout.number(name) is None


def test_paths_are_those_of_the_original() -> None:
    assert layout.mess(457) == b"mess/20/457"
    assert layout.info(23) == b"info/0/23"
    assert (layout.intd(5), layout.todo(5)) == (b"intd/5", b"todo/5")
