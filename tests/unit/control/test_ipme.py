"""qmail/control/ipme.py."""

from __future__ import annotations

import os

from qmail.control import ipme
from tests.support.netns import own_network


def test_own_addresses_of_ipv6_have_loopback_and_any() -> None:
    with own_network():
        found = ipme.own_addresses6()
    assert {bytes(15) + b"\1", bytes(16)} <= found
    assert all(len(address) == 16 for address in found)


def test_own_addresses_have_loopback_and_any_and_leave_no_descriptor() -> None:
    before = os.listdir("/proc/self/fd")
    found = ipme.own_addresses()
    assert {b"\x7f\0\0\1", b"\0\0\0\0"} <= found
    assert all(len(address) == 4 for address in found)
    assert os.listdir("/proc/self/fd") == before
