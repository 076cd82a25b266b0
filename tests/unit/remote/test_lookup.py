"""qmail/remote/lookup.py, with DNS replaced by a table."""

from __future__ import annotations

import pytest

from pytools.process import resolver
from pytools.process.resolver import DnsPermanent, DnsTemporary
from qmail.remote import lookup
from qmail.remote.mx import Server

MX = {
    b"two": [(20, b"h2"), (10, b"h1")],
    b"empty": [],
    b"none": [(0, b".")],
    b"dangling": [(10, b"nosuch"), (20, b"noaddr")],
    b"shaky": [(10, b"slow"), (20, b"h1")],
    b"allslow": [(10, b"slow"), (20, b"nosuch")],
    b"byaddress": [(10, b"192.0.2.9"), (5, b"[192.0.2.8]")],
}
A = {
    b"h1": [b"192.0.2.1"],
    b"h2": [b"192.0.2.2", b"192.0.2.3"],
    b"empty": [b"192.0.2.7"],
    b"alone": [b"192.0.2.6"],
    b"noaddr": [],
}


@pytest.fixture(autouse=True)
def dns(monkeypatch: pytest.MonkeyPatch) -> None:
    def mx(name: bytes) -> list[tuple[int, bytes]]:
        if name == b"slowmx":
            raise DnsTemporary
        if name not in MX:
            raise DnsPermanent
        return MX[name]

    def a(name: bytes) -> list[bytes]:
        if name == b"slow":
            raise DnsTemporary
        if name not in A:
            raise DnsPermanent
        return A[name]

    monkeypatch.setattr(resolver, "mx", mx)
    monkeypatch.setattr(resolver, "a", a)


def found(servers: list[Server]) -> list[tuple[int, int]]:
    """(preference, last byte of the address)."""
    return [(server.preference, server.address[3]) for server in servers]


@pytest.mark.parametrize(
    ("host", "servers"),
    [
        (b"two", [(10, 1), (20, 2), (20, 3)]),
        (b"empty", [(0, 7)]),
        (b"alone", [(0, 6)]),
        (b"none", []),
        (b"dangling", []),
        (b"shaky", [(20, 1)]),
        (b"byaddress", [(0, 8), (0, 9)]),
        (b"192.0.2.5", [(0, 5)]),
        (b"[192.0.2.5]", [(0, 5)]),
    ],
)
def test_mail_servers_of_host(host: bytes, servers: list[tuple[int, int]]) -> None:
    assert found(lookup.mail_servers(host)) == servers


@pytest.mark.parametrize("host", [b"slowmx", b"allslow", b"slow"])
def test_mail_servers_without_answer_are_temporary(host: bytes) -> None:
    with pytest.raises(lookup.NoAnswer):
        lookup.mail_servers(host)


@pytest.mark.parametrize("host", [b"nosuch", b"noaddr", b""])
def test_mail_servers_of_no_host_are_permanent(host: bytes) -> None:
    with pytest.raises(lookup.NoHost):
        lookup.mail_servers(host)


def test_relay_servers_ignore_mx() -> None:
    assert found(lookup.relay_servers(b"empty")) == [(0, 7)]
    with pytest.raises(lookup.NoHost):
        lookup.relay_servers(b"two")
