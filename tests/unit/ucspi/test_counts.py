"""pytools/ucspi/counts.py and limits.py: who is how many, and how many is too many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytools.ucspi.counts import (
    ARRIVALS_IN_ALL,
    ARRIVALS_OF_ONE,
    MOST_OF_ONE,
    Arrivals,
    Counts,
    Standing,
)
from pytools.ucspi.limits import exceeded

ADDRESSES = [b"192.0.2.1", b"192.0.2.2", b"192.0.3.1", b"2001:db8::1", b"2001:db8::2"]
ADDRESSES += [b"2001:db8:0:1::1", b"::1"]


@given(st.lists(st.tuples(st.sampled_from(ADDRESSES), st.booleans())))
def test_counts_are_those_of_the_living(steps: list[tuple[bytes, bool]]) -> None:
    counts = Counts()
    living: list[bytes] = []
    for now, (address, comes) in enumerate(steps):
        if comes:
            counts.come(address, now)
            living.append(address)
        elif address in living:
            counts.gone(address)
            living.remove(address)
    for address in ADDRESSES:
        assert counts.standing(address).of_ip == living.count(address)
    four = sum(living.count(each) for each in ADDRESSES[:2])
    assert counts.standing(b"192.0.2.77").of_network == four
    six = sum(living.count(each) for each in ADDRESSES[3:5])
    assert counts.standing(b"2001:db8::77").of_network == six
    assert dict(counts.most(99)) == {each: living.count(each) for each in set(living)}
    for address in living:
        counts.gone(address)
    assert (counts._by_ip, counts._by_network) == ({}, {})


def test_arrivals_are_bounded_and_the_silent_are_forgotten_first() -> None:
    counts = Counts()
    for now in range(2 * ARRIVALS_OF_ONE):
        counts.come(b"192.0.2.1", now)
    assert len(counts.standing(b"192.0.2.1").arrivals) < MOST_OF_ONE
    for number in range(ARRIVALS_IN_ALL):
        address = b"10.%d.%d.%d" % (number >> 16, number >> 8 & 255, number & 255)
        counts.come(address, number)
    assert sum(map(len, counts._arrivals.values())) == ARRIVALS_IN_ALL
    assert len(counts.standing(b"192.0.2.1").arrivals) == 0
    assert len(counts.standing(b"10.0.255.255").arrivals) == 1


def arrived(*times: float) -> Arrivals:
    arrivals = Arrivals()
    for when in times:
        arrivals.add(when)
    return arrivals


@given(
    st.lists(st.tuples(st.integers(1, 9000), st.integers(1, 50)), max_size=12),
    st.floats(0, 1),
)
def test_any_number_of_arrivals_is_told_to_within_one_in_sixty(
    bursts: list[tuple[int, int]], share: float
) -> None:
    arrivals, entries = Arrivals(), 0
    times: list[int] = []
    for how_many, pause in bursts:
        for _ in range(how_many):
            times.append(pause + (times[-1] if times else 0))
            entries += arrivals.add(times[-1])
    assert len(arrivals) == entries <= MOST_OF_ONE
    edge = share * times[-1] if times else 0
    true = sum(when > edge for when in times)
    assert true - true / 60 <= arrivals.since(edge) <= true
    if true < ARRIVALS_OF_ONE:
        assert arrivals.since(edge) == true
    assert arrivals.since(0) == len(times)


def test_entries_of_one_address_are_few_however_many_arrivals() -> None:
    arrivals = arrived(*range(300_000))
    assert arrivals.since(-1) == 300_000
    # 1000, and up to 64 of each of the powers of two up to 300000 / 64.
    assert len(arrivals) < ARRIVALS_OF_ONE + 64 * 13


def test_ip6_client_cannot_hide_in_its_network() -> None:
    counts = Counts()
    for number in range(5):
        counts.come(b"2001:db8::%x" % number, number)
    assert len(counts.standing(b"2001:db8::ffff").arrivals) == 5


def test_standing_goes_to_another_process_and_is_the_same() -> None:
    for arrivals in (arrived(), arrived(1.5, 2.25, 32.0), arrived(*range(5000))):
        got = Standing.decode(Standing(3, 7, arrivals).encode())
        assert (got.of_ip, got.of_network) == (3, 7)
        assert got.arrivals.single == arrivals.single
        assert got.arrivals.groups == arrivals.groups


NOW = 1000.0
STANDING = Standing(3, 7, arrived(900.0, 941.0, 990.0, 999.0, 1000.0))


@pytest.mark.parametrize(
    ("variables", "over"),
    [
        ({}, None),
        ({b"MAXCONNIP": b"3"}, None),
        ({b"MAXCONNIP": b"2"}, (b"MAXCONNIP", 3)),
        ({b"MAXCONNIP": b"0"}, (b"MAXCONNIP", 3)),
        ({b"MAXCONNIP": b"many"}, (b"MAXCONNIP", 3)),
        ({b"MAXCONNIP": b""}, None),
        ({b"MAXCONNC": b"7"}, None),
        ({b"MAXCONNC": b"6"}, (b"MAXCONNC", 7)),
        ({b"MAXRATEIP": b"3/10"}, None),
        ({b"MAXRATEIP": b"2/10"}, None),
        ({b"MAXRATEIP": b"2/11"}, (b"MAXRATEIP", 3)),
        ({b"MAXRATEIP": b"3"}, (b"MAXRATEIP", 4)),
        ({b"MAXRATEIP": b"4"}, None),
        ({b"MAXRATEIP": b"0/1"}, (b"MAXRATEIP", 1)),
        ({b"MAXRATEIP": b"30/x"}, (b"MAXRATEIP", 1)),
        ({b"MAXRATEIP": b"30/"}, (b"MAXRATEIP", 1)),
        ({b"MAXLOAD": b"151"}, None),
        ({b"MAXLOAD": b"150"}, (b"MAXLOAD", 150)),
        ({b"MAXLOAD": b"50", b"MAXCONNIP": b"0"}, (b"MAXLOAD", 150)),
    ],
)
def test_limit_is_exceeded_by_one_too_many(
    variables: dict[bytes, bytes], over: tuple[bytes, int] | None
) -> None:
    found = exceeded(variables, STANDING, NOW, lambda: 1.5)
    assert (found and (found.name, found.found)) == over


@pytest.mark.parametrize("most", [998, 999, 1000, 5000])
def test_rate_may_be_of_any_number(most: int) -> None:
    variables = {b"MAXRATEIP": b"%d/60" % most}
    arrivals = arrived(*(NOW - 9 + number / 1000 for number in range(most)))
    standing = Standing(1, 1, arrivals)
    assert exceeded(variables, standing, NOW, lambda: 0.0) is None
    arrivals.add(NOW)
    found = exceeded(variables, standing, NOW, lambda: 0.0)
    assert found is not None
    assert (found.found, found.value) == (most + 1, b"%d/60" % most)
