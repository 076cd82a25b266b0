"""qmail/remote/mx.py."""

from __future__ import annotations

import itertools

import pytest

from qmail.remote.mx import Server, before_us, in_order


def test_exchangers_are_ordered_by_preference_then_by_lot() -> None:
    lots = iter([b"\2", b"\1", b"\3"])
    exchangers = [(10, b"a"), (10, b"b"), (5, b"c")]
    assert in_order(exchangers, lambda: next(lots)) == [
        (5, b"c"),
        (10, b"b"),
        (10, b"a"),
    ]


def test_exchangers_of_equal_preference_come_in_every_order() -> None:
    names = [b"a", b"b", b"c"]
    seen = set()
    for drawn in itertools.permutations([b"\1", b"\2", b"\3"]):
        lots = iter(drawn)
        ordered = in_order([(0, name) for name in names], lambda i=lots: next(i))  # type: ignore[misc]
        seen.add(tuple(name for _, name in ordered))
    assert len(seen) == 6


@pytest.mark.parametrize(
    ("addresses", "left"),
    [
        ([(10, b"aaaa"), (20, b"bbbb")], [b"aaaa", b"bbbb"]),
        ([(10, b"aaaa"), (20, b"meme"), (30, b"cccc")], [b"aaaa"]),
        ([(10, b"aaaa"), (10, b"meme")], []),
        ([(10, b"meme"), (20, b"bbbb")], []),
        ([(10, b"aaaa"), (20, b"self"), (15, b"meme")], [b"aaaa"]),
        ([(10, b"aaaa"), (20, b"\x7f\7\7\7"), (30, b"bbbb")], [b"aaaa"]),
        ([(10, bytes(15) + b"\1"), (20, b"bbbb")], []),
        ([(10, b"\x7f" + bytes(15)), (20, b"bbbb")], [b"\x7f" + bytes(15), b"bbbb"]),
    ],
)
def test_servers_not_before_us_are_left_out(
    addresses: list[tuple[int, bytes]], left: list[bytes]
) -> None:
    servers = [Server(preference, address) for preference, address in addresses]
    kept = before_us(servers, {b"meme", b"self"})
    assert [server.address for server in kept] == left
