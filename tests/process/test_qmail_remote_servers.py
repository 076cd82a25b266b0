"""qmail-remote in an internet of its own: which server gets the message, and what of.

Several servers, names, both families; what is remembered of those that do not answer.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dnsserver import DnsServer, Zone
from tests.support.smtphome import Home
from tests.support.smtpservers import ALL_WELL, Internet, Scripted, internet

WELL: list[bytes | None] = [*ALL_WELL]
SILENCE = b"6\n"
"""Seconds that qmail-remote waits for a word, as a control file: more than a server of
this process ever needs for one."""
FIRST, SECOND, THIRD = "192.0.2.1", "192.0.2.2", "192.0.2.3"
SIX = "2001:db8::1"
DIED = b"ZConnected to 192.0.2.%d but connection died. (#4.4.2)\n"
TWO: Zone = {
    ("two.example.", "MX"): ["10 first.example.", "20 second.example."],
    ("first.example.", "A"): [FIRST],
    ("second.example.", "A"): [SECOND],
    ("third.example.", "A"): [THIRD],
    ("six.example.", "AAAA"): [SIX],
    ("both.example.", "A"): [FIRST],
    ("both.example.", "AAAA"): [SIX],
}


@pytest.fixture
def net() -> Iterator[Internet]:
    with internet() as found:
        yield found


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def send(home: Home, host: str, recipient: str = "r@two.example") -> list[bytes]:
    return home.remote(
        *(host, "s@a.example", recipient), message=b"x\n", DNSCACHEIP="127.0.0.1"
    )


def accepted(address: str) -> list[bytes]:
    said = b"K%b accepted message.\nRemote host said: 250 e\n" % address.encode()
    return [b"r", said]


def timeouts(home: Home) -> dict[bytes, int]:
    """How many of each host are remembered."""
    table = (home.path / "queue/lock/tcpto").read_bytes()
    return {
        table[at : at + 4]: table[at + 4]
        for at in range(0, len(table), 16)
        if table[at + 4]
    }


def full(address: str, stack: list[socket.socket]) -> None:
    """A server whose queue is full: whoever connects waits."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, 78, 1)
    listener.bind((address, 25))
    listener.listen(0)
    stack.append(listener)
    for _ in range(4):
        waiting = socket.socket(family)
        waiting.setblocking(False)
        waiting.connect_ex((address, 25))
        stack.append(waiting)


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    """Closed at the end."""
    stack: list[socket.socket] = []
    yield stack
    for each in stack:
        each.close()


# Another server

# What the first exchanger says before it hangs up; the second gets the message.
UNUSABLE: dict[str, list[bytes | None]] = {
    "drops": [],
    "drops within the greeting": [b"220-wait"],
    "greeting for now": [b"421 busy", None],
    "greeting for good": [b"554 no mail here", None],
    "greeting of nonsense": [b"SSH-2.0-x", None],
    "drops at EHLO": [b"220 hi"],
    "closing at EHLO": [b"220 hi", b"421 bye", None],
    "drops at HELO": [b"220 hi", b"502 what"],
    "HELO for now": [b"220 hi", b"502 what", b"450 no", None],
    "HELO for good": [b"220 hi", b"502 what", b"550 no", None],
    "drops at MAIL": [b"220 hi", b"250 b"],
    "closing at MAIL": [b"220 hi", b"250 b", b"421 bye", None],
    "drops at RCPT": [b"220 hi", b"250 b", b"250 c"],
    "endless": [b"\r\n".join([b"220-on and on" + bytes(1000)] * 1000), None],
}


@pytest.mark.parametrize("replies", UNUSABLE.values(), ids=[*UNUSABLE])
def test_server_that_cannot_be_used_is_followed_by_the_next(
    home: Home, net: Internet, replies: list[bytes | None]
) -> None:
    net.dns(TWO)
    first, second = net.serve(FIRST, replies), net.serve(SECOND, WELL)
    assert send(home, "two.example") == accepted(SECOND)
    assert len(second.connections) == 1
    # It is called with HELO, too, if EHLO is what it hangs up on.
    hangs_up = replies == UNUSABLE["drops at EHLO"]
    assert [call[:4] for call in first.connections[1:]] == [b"HELO"] * hangs_up
    assert not any(b"DATA" in call for call in first.connections)
    # It has answered, in its way.
    assert timeouts(home) == {}


def test_server_that_refuses_connections_is_followed_by_the_next(
    home: Home, net: Internet
) -> None:
    net.dns(TWO)
    net.serve(SECOND, WELL)
    assert send(home, "two.example") == accepted(SECOND)
    assert timeouts(home) == {}


def test_server_that_greets_nobody_is_noted_and_followed_by_the_next(
    home: Home, net: Internet
) -> None:
    home.control(timeoutremote=SILENCE)
    net.dns(TWO)
    net.serve(FIRST, [None])
    net.serve(SECOND, WELL)
    assert send(home, "two.example") == accepted(SECOND)
    assert timeouts(home) == {b"\xc0\0\2\1": 1}


def test_server_that_does_not_connect_is_noted_and_followed_by_the_next(
    home: Home, net: Internet, sockets: list[socket.socket]
) -> None:
    home.control(timeoutconnect=b"1\n")
    net.dns(TWO)
    full(FIRST, sockets)
    net.serve(SECOND, WELL)
    assert send(home, "two.example") == accepted(SECOND)
    assert timeouts(home) == {b"\xc0\0\2\1": 1}


def test_server_that_says_nothing_to_mail_is_followed_by_the_next(
    home: Home, net: Internet
) -> None:
    home.control(timeoutremote=SILENCE)
    net.dns(TWO)
    net.serve(FIRST, [b"220 a", b"250 b", None])
    net.serve(SECOND, WELL)
    assert send(home, "two.example") == accepted(SECOND)
    # It greets, so it is not one that does not answer.
    assert timeouts(home) == {}


# What the first exchanger says about the message; nobody else is asked.
HELD: dict[str, list[bytes | None]] = {
    "MAIL for now": [b"220 a", b"250 b", b"451 c", None],
    "MAIL for good": [b"220 a", b"250 b", b"550 c", None],
    "RCPT closing": [b"220 a", b"250 b", b"250 c", b"421 d", None],
    "RCPT for now": [b"220 a", b"250 b", b"250 c", b"450 d", None],
    "RCPT for good": [b"220 a", b"250 b", b"250 c", b"550 d", None],
    "DATA silent": [b"220 a", b"250 b", b"250 c", b"250 d", None],
    "DATA closing": [b"220 a", b"250 b", b"250 c", b"250 d", b"421 e", None],
    "DATA drops": [b"220 a", b"250 b", b"250 c", b"250 d"],
    "DATA for now": [b"220 a", b"250 b", b"250 c", b"250 d", b"451 e", None],
    "DATA for good": [b"220 a", b"250 b", b"250 c", b"250 d", b"554 e", None],
    "message drops": [b"220 a", b"250 b", b"250 c", b"250 d", b"354 e"],
    "message for now": [
        *(b"220 a", b"250 b", b"250 c", b"250 d", b"354 e", b"451 f", None)
    ],
    "message for good": [
        *(b"220 a", b"250 b", b"250 c", b"250 d", b"354 e", b"554 f", None)
    ],
}


@pytest.mark.parametrize(("name", "replies"), HELD.items(), ids=[*HELD])
def test_server_that_has_had_a_say_is_the_last(
    home: Home, net: Internet, name: str, replies: list[bytes | None]
) -> None:
    if name.endswith("silent"):
        home.control(timeoutremote=SILENCE)
    net.dns(TWO)
    first, second = net.serve(FIRST, replies), net.serve(SECOND, WELL)
    reports = send(home, "two.example")
    last = reports[-1]
    is_final = name.endswith("good") or name in {"RCPT for now", "RCPT closing"}
    assert last[:1] == (b"D" if is_final else b"Z")
    assert b"192.0.2.1" in last
    assert (b"Possible duplicate!" in last) is (name == "message drops")
    assert second.connections == []
    assert len(first.connections) == 1
    # What it can hear, it hears: QUIT, unless the connection is gone.
    first.close()
    says_quit = first.connections[0].endswith(b"QUIT\r\n")
    assert says_quit is not name.endswith(("drops", "silent"))
    assert timeouts(home) == {}


@pytest.mark.parametrize(
    ("first", "second", "report"),
    [
        ([], [], DIED % 2),
        (
            [],
            [b"554 no", None],
            b"ZConnected to 192.0.2.2 but greeting failed.\nRemote host said: 554 no\n",
        ),
        (
            [b"421 busy", None],
            None,
            b"ZConnected to 192.0.2.1 but greeting failed.\n"
            b"Remote host said: 421 busy\n",
        ),
        (
            None,
            [b"220 hi", b"500 a", b"500 b", None],
            b"ZConnected to 192.0.2.2 but my name was rejected.\n"
            b"Remote host said: 500 b\n",
        ),
        (
            None,
            None,
            b"ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n",
        ),
    ],
)
def test_report_is_of_the_last_server_that_was_talked_to(
    home: Home,
    net: Internet,
    first: list[bytes | None] | None,
    second: list[bytes | None] | None,
    report: bytes,
) -> None:
    net.dns(TWO)
    for address, replies in ((FIRST, first), (SECOND, second)):
        if replies is not None:
            net.serve(address, replies)
    assert send(home, "two.example") == [report]


# Names


def only_allowed_questions(dns: DnsServer) -> bool:
    return {kind for _, kind, _ in dns.asked} <= {"MX", "A", "AAAA"}


def test_exchangers_in_a_large_answer_are_all_known(home: Home, net: Internet) -> None:
    names = [
        f"a-mail-exchanger-with-a-long-name-{n:02}.big.example." for n in range(60)
    ]
    zone: Zone = {("big.example.", "TXT"): ["x" * 255] * 40}
    zone["big.example.", "MX"] = [f"{n} {name}" for n, name in enumerate(names)]
    for n, name in enumerate(names):
        zone[name, "A"] = [f"192.0.2.{100 + n}"]
    dns = net.dns(zone)
    last = net.serve("192.0.2.159", WELL)
    assert send(home, "big.example") == accepted("192.0.2.159")
    assert len(last.connections) == 1
    assert ("big.example.", "MX", "tcp") in dns.asked
    assert only_allowed_questions(dns)


@pytest.mark.parametrize(
    ("records", "report"),
    [
        (["0 ."], b"DThat host says in DNS that it takes no mail. (#5.1.10)\n"),
        (["10 ."], b"DThat host says in DNS that it takes no mail. (#5.1.10)\n"),
        (
            ["10 nowhere.example.", "20 mailless.example."],
            b"DThat host has neither mail exchanger nor address. (#5.4.4)\n",
        ),
        (["10 shaky.example."], b"ZDNS has no answer about that host at the moment."),
        (["10 localhost."], b"DSorry. Although I'm listed as a best-preference MX"),
        (["10 localhost6."], b"DSorry. Although I'm listed as a best-preference MX"),
        (["10 shaky.example.", "20 localhost."], b"ZDNS has no answer about that host"),
        (["10 localhost.", "20 shaky.example."], b"DSorry. Although I'm listed"),
        (["10 localhost.", "10 shaky.example."], b"DSorry. Although I'm listed"),
        (["10 nowhere.example.", "20 localhost."], b"DSorry. Although I'm listed"),
        (["10 local.example."], b"DSorry. Although I'm listed as a best-preference MX"),
        (["10 localhost.", "20 second.example."], b"DSorry. Although I'm listed"),
        (["10 127.0.0.1."], b"DSorry. Although I'm listed"),
        (["5 192.0.2.77.", "10 localhost6."], b"ZSorry, I wasn't able to establish"),
        (["10 localhost.", "50 192.0.2.2."], b"DSorry. Although I'm listed"),
    ],
)
def test_exchangers_that_lead_nowhere(
    home: Home, net: Internet, records: list[str], report: bytes
) -> None:
    dns = net.dns(
        {
            **TWO,
            ("odd.example.", "MX"): records,
            ("odd.example.", "A"): [SECOND],
            ("mailless.example.", "TXT"): ["x"],
            ("shaky.example.", "RCODE"): ["SERVFAIL"],
            ("localhost.", "A"): ["127.0.0.1"],
            ("localhost6.", "AAAA"): ["::1"],
            ("local.example.", "A"): ["127.45.6.7"],
        }
    )
    second = net.serve(SECOND, WELL)
    [said] = send(home, "odd.example")
    assert said.startswith(report)
    assert second.connections == []
    assert only_allowed_questions(dns)


@pytest.mark.parametrize(
    ("records", "address"),
    [
        (["0 .", "10 second.example."], SECOND),
        (["10 alias.example."], SECOND),
        (["10 192.0.2.2."], SECOND),
        (["10 nowhere.example.", "20 second.example."], SECOND),
        (["10 shaky.example.", "20 second.example."], SECOND),
        (["20 localhost.", "10 second.example."], SECOND),
        (["10 six.example."], SIX),
        (["10 both.example."], SIX),
        (["10 both.example.", "20 second.example."], SIX),
        (["10 six.example.", "10 six.example.", "5 both.example."], SIX),
    ],
)
def test_exchangers_that_lead_somewhere(
    home: Home, net: Internet, records: list[str], address: str
) -> None:
    net.dns(
        {
            **TWO,
            ("odd.example.", "MX"): records,
            ("alias.example.", "CNAME"): ["second.example."],
            ("shaky.example.", "RCODE"): ["SERVFAIL"],
            ("localhost.", "A"): ["127.0.0.1"],
        }
    )
    server = net.serve(address, WELL)
    assert send(home, "odd.example") == accepted(address)
    assert len(server.connections) == 1


def test_host_of_both_families_gets_mail_by_ipv4(home: Home, net: Internet) -> None:
    net.dns(TWO)
    net.serve(FIRST, WELL)
    other = net.serve(SIX, WELL)
    assert send(home, "both.example") == accepted(FIRST)
    assert other.connections == []


def test_host_of_ipv6_alone_gets_mail_without_exchanger(
    home: Home, net: Internet
) -> None:
    net.dns(TWO)
    server = net.serve(SIX, WELL)
    assert send(home, "six.example") == accepted(SIX)
    assert b"RCPT TO:<r@two.example>" in server.connections[0]


def test_recipients_domain_is_sent_as_it_is_and_its_alias_followed(
    home: Home, net: Internet
) -> None:
    dns = net.dns({**TWO, ("alias.example.", "CNAME"): ["two.example."]})
    server = net.serve(FIRST, WELL)
    assert send(home, "alias.example", "r@alias.example") == accepted(FIRST)
    assert b"RCPT TO:<r@alias.example>" in server.connections[0]
    assert only_allowed_questions(dns)


# Literals, routes, own addresses


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", FIRST),
        ("[192.0.2.1]", FIRST),
        ("[IPv6:2001:db8::1]", SIX),
        ("[IPv6:2001:DB8:0:0::1]", SIX),
        ("[IPv6:::ffff:192.0.2.1]", FIRST),
    ],
)
def test_literal_is_the_address(
    home: Home, net: Internet, host: str, address: str
) -> None:
    server = net.serve(address, WELL)
    assert send(home, host, f"r@{host}") == accepted(address)
    assert b"RCPT TO:<r@%b>" % host.encode() in server.connections[0]


@pytest.mark.parametrize(
    "host",
    ["[IPv6:::1]", "[IPv6:::]", "[::1]", "[IPv6:::ffff:127.0.0.1]", "127.9.9.9"],
)
def test_literal_of_this_machine_is_a_loop(
    home: Home, net: Internet, host: str
) -> None:
    [report] = send(home, host)
    assert report.startswith(b"DSorry. Although I'm listed as a best-preference MX")


@pytest.mark.parametrize("relay", ["[2001:db8::1]", "[IPv6:2001:db8::1]:25"])
def test_route_may_lead_to_an_ipv6_address(
    home: Home, net: Internet, relay: str
) -> None:
    home.control(smtproutes=f"two.example:{relay}\n".encode())
    net.serve(SIX, WELL)
    assert send(home, "two.example") == accepted(SIX)


def test_route_with_port_and_several_addresses_tries_all(
    home: Home, net: Internet
) -> None:
    home.control(smtproutes=b":relay.example:2525\n")
    net.dns({("relay.example.", "A"): [FIRST], ("relay.example.", "AAAA"): [SIX]})
    server = Scripted(WELL, SIX, 2525)
    try:
        assert send(home, "two.example") == accepted(SIX)
    finally:
        server.close()


def test_ipv6_host_that_does_not_answer_is_noted_then_skipped(
    home: Home, net: Internet, sockets: list[socket.socket]
) -> None:
    home.control(timeoutconnect=b"1\n")
    net.dns(TWO)
    full(SIX, sockets)
    table = home.path / "queue/lock/tcpto6"
    [report] = send(home, "six.example")
    assert report.endswith(b"(#4.4.1)\n")
    record = table.read_bytes()[:28]
    assert record[:17] == socket.inet_pton(socket.AF_INET6, SIX) + b"\1"
    assert timeouts(home) == {}
    # A second timeout at the same time: the host is left alone.
    table.write_bytes((record[:16] + b"\2" + record[17:]).ljust(1792, b"\0"))
    for each in sockets:
        each.close()
    sockets.clear()
    server = net.serve(SIX, WELL)
    assert send(home, "six.example") == [report]
    assert server.connections == []
    table.write_bytes((record[:16] + b"\1" + record[17:]).ljust(1792, b"\0"))
    assert send(home, "six.example") == accepted(SIX)
    assert table.read_bytes()[16] == 0
