"""pytools/ucspi/counts.py and limits.py: who is how many, and how many is too many."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytools.ucspi.counts import ARRIVALS_IN_ALL, ARRIVALS_OF_ONE, Counts, Standing
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
    assert len(counts.standing(b"192.0.2.1").arrivals) == ARRIVALS_OF_ONE
    for number in range(ARRIVALS_IN_ALL):
        address = b"10.%d.%d.%d" % (number >> 16, number >> 8 & 255, number & 255)
        counts.come(address, number)
    assert sum(map(len, counts._arrivals.values())) == ARRIVALS_IN_ALL
    assert len(counts.standing(b"192.0.2.1").arrivals) == 0
    assert len(counts.standing(b"10.0.255.255").arrivals) == 1


def test_ip6_client_cannot_hide_in_its_network() -> None:
    counts = Counts()
    for number in range(5):
        counts.come(b"2001:db8::%x" % number, number)
    assert len(counts.standing(b"2001:db8::ffff").arrivals) == 5


def test_standing_goes_to_another_process_and_is_the_same() -> None:
    sent = Standing(3, 7, array("d", [1.5, 2.25, 32.0]))
    got = Standing.decode(sent.encode())
    assert (got.of_ip, got.of_network, got.arrivals) == (3, 7, sent.arrivals)


NOW = 1000.0
TIMES = array("d", [900.0, 941.0, 990.0, 999.0, 1000.0])
STANDING = Standing(3, 7, TIMES)


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
