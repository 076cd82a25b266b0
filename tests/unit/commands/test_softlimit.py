"""softlimit's arithmetic, and its words."""

from __future__ import annotations

import resource

import pytest

from pytools.base.exits import Exit
from pytools.base.limits import Usage, parse_status
from pytools.commands import softlimit
from pytools.commands.softlimit import HARD, beyond, clamp, parse

USED = Usage(20_000_000, 6_000_000, 132_000)


def test_m_sets_four_limits_in_the_order_of_options() -> None:
    wanted, rest = parse([b"softlimit", b"-m", b"5000000", b"-o=", b"prog", b"-x"])
    assert wanted == [
        (resource.RLIMIT_DATA, 5000000),
        (resource.RLIMIT_STACK, 5000000),
        (resource.RLIMIT_MEMLOCK, 5000000),
        (resource.RLIMIT_AS, 5000000),
        (resource.RLIMIT_NOFILE, HARD),
    ]
    assert rest == [b"prog", b"-x"]


@pytest.mark.parametrize(
    "words", [[], [b"-o5"], [b"-o", b"5x", b"p"], [b"-z", b"p"], [b"-o"]]
)
def test_misuse_is_100(words: list[bytes]) -> None:
    with pytest.raises(Exit) as end:
        parse([b"softlimit", *words])
    assert end.value.code == 100
    assert end.value.text.startswith(b"softlimit: usage: softlimit [-a allbytes]")


def test_empty_number_is_zero() -> None:
    assert parse([b"softlimit", b"-c", b"", b"p"])[0] == [(resource.RLIMIT_CORE, 0)]


@pytest.mark.parametrize(
    ("kind", "value", "limit"),
    [
        (resource.RLIMIT_AS, 5_000_000, 25_000_000),
        (resource.RLIMIT_DATA, 5_000_000, 11_000_000),
        (resource.RLIMIT_STACK, 5_000_000, 5_000_000),
        (resource.RLIMIT_STACK, 4096, 132_000 + softlimit.STACK_RESERVE),
        (resource.RLIMIT_MEMLOCK, 5_000_000, 5_000_000),
        (resource.RLIMIT_NOFILE, 5, 5),
    ],
)
def test_program_of_ours_gets_memory_beyond_its_own(
    kind: int, value: int, limit: int
) -> None:
    assert beyond(kind, value, USED) == limit


@pytest.mark.parametrize(
    ("value", "used", "others", "ours"),
    [
        (0, 0.02, 1, 1),
        (0, 0.6, 2, 2),
        (1, 0.02, 1, 2),
        (1, 1.7, 3, 4),
        (50, 0.02, 50, 51),
    ],
)
def test_cpu_time_is_no_less_than_what_was_used(
    value: int, used: float, others: int, ours: int
) -> None:
    assert softlimit.seconds(value, used, is_ours=False) == others
    assert softlimit.seconds(value, used, is_ours=True) == ours


def test_value_is_clamped_to_the_hard_limit() -> None:
    assert clamp(100, 50) == 50
    assert clamp(40, 50) == 40
    assert clamp(100, resource.RLIM_INFINITY) == 100
    assert clamp(2**64 - 1, resource.RLIM_INFINITY) == resource.RLIM_INFINITY


def test_status_text_gives_the_three_sizes() -> None:
    text = b"Name:\tx\nVmSize:\t   14000 kB\nVmData:\t    3000 kB\nVmStk:\t 132 kB\n"
    used = parse_status(text)
    assert (used.size, used.data, used.stack) == (14000 << 10, 3000 << 10, 132 << 10)


def test_chain_is_told_for_preloading() -> None:
    argv = [b"softlimit", b"-m", b"5", b"tcpserver", b"0", b"smtp"]
    assert softlimit.next_program(argv) == [b"tcpserver", b"0", b"smtp"]
    assert softlimit.next_program([b"softlimit", b"-z"]) is None
