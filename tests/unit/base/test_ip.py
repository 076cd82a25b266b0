"""pytools/base/ip.py: the same as the C library, where that is strict."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytools.base import ip

GROUP = st.sampled_from([0, 0, 0, 1, 0xFFFF, 0xDB8])


def library(text: bytes) -> bytes | None:
    try:
        return socket.inet_pton(socket.AF_INET6, text.decode("latin-1"))
    except (OSError, ValueError):
        return None


@given(st.lists(GROUP, min_size=8, max_size=8))
def test_ip6_text_is_that_of_the_library_and_comes_back(groups: list[int]) -> None:
    packed = b"".join(group.to_bytes(2, "big") for group in groups)
    text = ip.format_ip6(packed)
    assert ip.parse_ip6(text) == packed
    theirs = socket.inet_ntop(socket.AF_INET6, packed).encode()
    # The library writes other addresses, too, with an IPv4 part.
    if b"." not in theirs:
        assert text == theirs


@given(st.text("0123456789abcdefF:.%/ g", max_size=20))
def test_ip6_is_accepted_where_the_library_accepts_it(text: str) -> None:
    assert ip.parse_ip6(text.encode()) == library(text.encode())


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (b"1:2:3:4:5:6:7::", True),
        (b"::2:3:4:5:6:7:8", True),
        (b"1:2:3:4:5:6:1.2.3.4", True),
        (b"::1.2.3.4:5", False),
        (b"1::2::3", False),
        (b"1:2:3:4:5:6:7:8::", False),
        (b"12345::", False),
        (b":1", False),
    ],
)
def test_ip6_edges(text: bytes, address: bool) -> None:
    assert ip.parse_ip6(text) == library(text)
    assert (ip.parse_ip6(text) is not None) == address


def test_mapped_address_is_the_plain_one() -> None:
    mapped = ip.parse(b"::ffff:192.0.2.1")
    assert mapped is not None
    assert ip.unmapped(mapped) == ip.parse(b"192.0.2.1")
    assert ip.format_ip(mapped) == b"::ffff:192.0.2.1"


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        (b"10.0.0.0/8", 8),
        (b"10.0.0.1", 32),
        (b"2001:db8::/32", 32),
        (b"::1", 128),
        (b"::/0", 0),
        (b"10.0.0.1/8", None),
        (b"::ffff:10.0.0.5", 32),
        (b"::ffff:10.0.0.0/104", 8),
        (b"10.0.0.0/33", None),
        (b"10.0.0.0/", None),
        (b"10.0.0.0/x", None),
        (b"10.0.0", None),
        (b"", None),
    ],
)
def test_network_has_an_address_and_a_length(text: bytes, bits: int | None) -> None:
    found = ip.parse_network(text)
    assert (found and found[1]) == bits
