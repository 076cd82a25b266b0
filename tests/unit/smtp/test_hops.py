"""qmail/smtp/hops.py."""

from __future__ import annotations

import pytest

from qmail.smtp.hops import MAX_HOPS, HopCounter
from tests.support.trickle import pieces

HEADERS = {
    "none": (b"Subject: received\n\n", 0),
    "one of each": (b"Received: a\nDelivered-To: b\n\n", 2),
    "any case": (b"rEcEiVeD: a\nDELIVERED: b\n", 2),
    "a prefix is enough": (b"Received-SPF: pass\nReceived\nDelivered\n", 3),
    "too short a prefix": (b"Receive: a\nDelivere: b\n\n", 0),
    "not at the start of a line": (b"X: Received: a\n Received: b\n\n", 0),
    "body does not count": (b"Received: a\n\nReceived: b\nDelivered-To: c\n", 1),
    "no header at all": (b"\nReceived: a\n", 0),
    "CR keeps the header open": (b"A: b\n\r\nReceived: a\n", 1),
    "side by side": (b"Received\nReceived\nDelivered\nReceived\n", 4),
}


def count(parts: list[bytes]) -> int:
    counter = HopCounter()
    for part in parts:
        counter.feed(part)
    return counter.hops


@pytest.mark.parametrize(
    ("message", "hops"), HEADERS.values(), ids=[str(key) for key in HEADERS]
)
def test_hops_in_any_pieces_are_the_same(message: bytes, hops: int) -> None:
    for parts in pieces(message):
        assert count(parts) == hops


@pytest.mark.parametrize(("lines", "looping"), [(99, False), (100, True)])
def test_hops_hundred_are_a_loop(lines: int, looping: bool) -> None:
    counter = HopCounter()
    counter.feed(b"Received: x\n" * lines + b"\n")
    assert counter.is_looping is looping
    assert MAX_HOPS == 100


def test_hops_endless_line_keeps_nothing() -> None:
    counter = HopCounter()
    for _ in range(100):
        counter.feed(b"x" * 10000)
    assert counter._start == b""
    counter.feed(b"\nReceived: y\n")
    assert counter.hops == 1
