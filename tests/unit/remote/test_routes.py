"""qmail/remote/routes.py."""

from __future__ import annotations

import pytest

from qmail.control.maps import ConstMap
from qmail.remote import routes

LINES = [
    b"exact.example:relay",
    b"port.example:relay:2525",
    b".below.example:[192.0.2.1]",
    b"dns.below.example:",
    b"odd.example:relay:smtp",
    b"no colon",
    b"six.example:[2001:db8::1]",
    b"sixport.example:[IPv6:2001:db8::1]:26",
    b"unclosed.example:[2001:db8::1",
]

CASES = [
    (b"exact.example", (b"relay", 25, True)),
    (b"EXACT.Example", (b"relay", 25, True)),
    (b"port.example", (b"relay", 2525, True)),
    (b"a.below.example", (b"[192.0.2.1]", 25, True)),
    (b"a.b.below.example", (b"[192.0.2.1]", 25, True)),
    (b"below.example", (b"below.example", 25, False)),
    (b"dns.below.example", (b"dns.below.example", 25, False)),
    (b"odd.example", (b"relay", 25, True)),
    (b"a.exact.example", (b"a.exact.example", 25, False)),
    (b"six.example", (b"[2001:db8::1]", 25, True)),
    (b"sixport.example", (b"[IPv6:2001:db8::1]", 26, True)),
    (b"unclosed.example", (b"[2001", 25, True)),
    (b"", (b"", 25, False)),
]


@pytest.mark.parametrize(("host", "route"), CASES)
def test_route_of_host(host: bytes, route: tuple[bytes, int, bool]) -> None:
    found = routes.find(ConstMap(LINES, colon=True), host)
    assert (found.host, found.port, found.is_relay) == route


@pytest.mark.parametrize("host", [b"any.example", b"single", b"", b"dot."])
def test_route_of_everything_else_is_the_empty_domain(host: bytes) -> None:
    found = routes.find(ConstMap([*LINES, b":smart:26"], colon=True), host)
    assert (found.host, found.port, found.is_relay) == (b"smart", 26, True)


def test_route_empty_relay_is_an_exception_to_the_empty_domain() -> None:
    found = routes.find(
        ConstMap([b".a.example:", b":smart"], colon=True), b"b.a.example"
    )
    assert not found.is_relay
