"""qmail/remote/lookup.py, with DNS replaced by a table."""

from __future__ import annotations

import pytest

from pytools.process import resolver
from pytools.process.resolver import DnsPermanent, DnsTemporary
from qmail.remote import lookup
from qmail.remote.mx import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.process.dnsanswers import Answer, Query

MX = {
    b"two": [(20, b"h2"), (10, b"h1")],
    b"empty": [],
    b"none": [(0, b".")],
    b"root10": [(10, b"")],
    b"rootbeside": [(0, b"."), (10, b"h1")],
    b"dangling": [(10, b"nosuch"), (20, b"noaddr")],
    b"shaky": [(10, b"slow"), (20, b"h1")],
    b"shakylast": [(20, b"slow"), (10, b"h1")],
    b"shakytwice": [(30, b"slow"), (20, b"slow"), (10, b"h1")],
    b"allslow": [(10, b"slow"), (20, b"nosuch")],
    b"byaddress": [(10, b"192.0.2.9"), (5, b"[192.0.2.8]")],
    b"families": [(10, b"both"), (20, b"six"), (30, b"h1")],
    b"repeated": [(10, b"h1"), (20, b"h1"), (30, b"h2")],
    b"many": [(n, b"h%d" % n) for n in range(1000, 1200)],
}
A = {
    b"h1": [b"192.0.2.1"],
    b"h2": [b"192.0.2.2", b"192.0.2.3"],
    b"empty": [b"192.0.2.7"],
    b"alone": [b"192.0.2.6"],
    b"noaddr": [],
    b"both": [b"192.0.2.4"],
    b"six": [],
    b"half": [b"192.0.2.10"],
    b"otherhalf": [],
    b"mapped": [],
    **{b"h%d" % n: [b"198.51.100.%d" % (n - 1000)] for n in range(1000, 1200)},
}
AAAA = {
    b"both": [b"2001:db8::4"],
    b"six": [b"2001:db8::6", b"2001:db8::7"],
    b"mapped": [b"::ffff:192.0.2.11"],
}
SLOW = {
    (b"aaaa", b"half"),
    (b"aaaa", b"otherhalf"),
    (b"a", b"slow"),
    (b"aaaa", b"slow"),
}


def answer(kind: bytes, name: bytes) -> Answer | None:
    if (kind, name) in SLOW:
        return DnsTemporary() if kind == b"a" else None
    if name not in A:
        return DnsPermanent()
    return A[name] if kind == b"a" else AAAA.get(name, [])


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Query]:
    """What is asked for, MX aside."""
    queries: list[Query] = []

    def mx(name: bytes) -> list[tuple[int, bytes]]:
        if name == b"slowmx":
            raise DnsTemporary
        if name not in MX:
            raise DnsPermanent
        return MX[name]

    def ask_many(many: list[Query]) -> list[Answer | None]:
        queries.extend(many)
        return [answer(*query) for query in many]

    monkeypatch.setattr(resolver, "mx", mx)
    monkeypatch.setattr(resolver, "ask_many", ask_many)
    return queries


def found(servers: list[Server]) -> list[tuple[int, int]]:
    """(preference, last byte of the address), negative for IPv6."""
    return [
        (
            server.preference,
            server.address[-1] * (1 if len(server.address) == 4 else -1),
        )
        for server in servers
    ]


@pytest.mark.parametrize(
    ("host", "servers"),
    [
        (b"two", [(10, 1), (20, 2), (20, 3)]),
        (b"empty", [(0, 7)]),
        (b"alone", [(0, 6)]),
        (b"both", [(0, 4), (0, -4)]),
        (b"six", [(0, -6), (0, -7)]),
        (b"half", [(0, 10)]),
        (b"mapped", [(0, 11)]),
        (b"rootbeside", [(10, 1)]),
        (b"dangling", []),
        (b"shaky", [(20, 1)]),
        (b"byaddress", [(5, 8), (10, 9)]),
        (b"families", [(10, 4), (10, -4), (20, -6), (20, -7), (30, 1)]),
        (b"repeated", [(10, 1), (30, 2), (30, 3)]),
        (b"192.0.2.5", [(0, 5)]),
        (b"[192.0.2.5]", [(0, 5)]),
        (b"[IPv6:2001:db8::5]", [(0, -5)]),
        (b"[ipV6:2001:db8::5]", [(0, -5)]),
        (b"[2001:db8::5]", [(0, -5)]),
        (b"[IPv6:::ffff:192.0.2.5]", [(0, 5)]),
    ],
)
def test_mail_servers_of_host(host: bytes, servers: list[tuple[int, int]]) -> None:
    assert found(lookup.mail_servers(host)[0]) == servers


@pytest.mark.parametrize("host", [b"none", b"root10"])
def test_mail_servers_of_host_that_takes_no_mail(host: bytes) -> None:
    with pytest.raises(lookup.NoMail):
        lookup.mail_servers(host)


def test_mail_servers_of_many_exchangers_are_asked_for_at_once_and_so_many(
    asked: list[Query],
) -> None:
    servers, _ = lookup.mail_servers(b"many")
    assert [s.preference for s in servers] == [*range(1000, 1000 + lookup.EXCHANGERS)]
    assert len(asked) == 2 * lookup.EXCHANGERS


@pytest.mark.parametrize(
    ("host", "preference"),
    [
        (b"two", None),
        (b"alone", None),
        (b"half", None),
        (b"dangling", None),
        (b"192.0.2.5", None),
        (b"shaky", 10),
        (b"shakylast", 20),
        (b"shakytwice", 20),
    ],
)
def test_mail_servers_come_with_the_best_preference_that_has_no_answer(
    host: bytes, preference: int | None
) -> None:
    assert lookup.mail_servers(host)[1] == preference


@pytest.mark.parametrize("host", [b"slowmx", b"allslow", b"slow", b"otherhalf"])
def test_mail_servers_without_answer_are_temporary(host: bytes) -> None:
    with pytest.raises(lookup.NoAnswer):
        lookup.mail_servers(host)


@pytest.mark.parametrize(
    "host", [b"nosuch", b"noaddr", b"", b"[IPv6:x]", b"2001:db8::1"]
)
def test_mail_servers_of_no_host_are_permanent(host: bytes) -> None:
    with pytest.raises(lookup.NoHost):
        lookup.mail_servers(host)


def test_relay_servers_ignore_mx() -> None:
    assert found(lookup.relay_servers(b"empty")) == [(0, 7)]
    with pytest.raises(lookup.NoHost):
        lookup.relay_servers(b"two")
