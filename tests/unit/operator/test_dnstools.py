"""dnsip and its kin, asked of a DNS server of this test's own.

Expected is what the original's print, and how they end, as they were run beside ours
with the same server; where ours differs a comment says how.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from pytools.base.environment import environ
from pytools.base.ip import format_ip4
from pytools.process.dnsanswers import DnsPermanent, DnsTemporary
from qmail.control import ipme
from qmail.operator import dnstools
from tests.conftest import CHECKOUT
from tests.support.dnsserver import DnsServer, Zone, serving

ZONE: Zone = {
    ("one.example.", "A"): ["192.0.2.1"],
    ("two.example.", "A"): ["192.0.2.2", "192.0.2.3"],
    ("big.example.", "A"): [f"198.51.100.{n}" for n in range(60)],
    ("alias.example.", "CNAME"): ["one.example."],
    ("second.example.", "CNAME"): ["alias.example."],
    ("round.example.", "CNAME"): ["round.example."],
    ("dangling.example.", "CNAME"): ["nowhere.example."],
    ("upper.example.", "CNAME"): ["Target.Example."],
    ("mx.example.", "MX"): ["20 two.example.", "10 one.example."],
    ("mx-none.example.", "MX"): ["10 nowhere.example."],
    ("mx-half.example.", "MX"): ["10 broken.example.", "20 one.example."],
    ("mx-literal.example.", "MX"): ["10 192.0.2.77."],
    ("mx-null.example.", "MX"): ["0 ."],
    ("broken.example.", "RCODE"): ["SERVFAIL"],
    ("1.2.0.192.in-addr.arpa.", "PTR"): ["One.Example."],
    ("9.2.0.192.in-addr.arpa.", "RCODE"): ["SERVFAIL"],
    ("1.1.1.44.in-addr.arpa.", "PTR"): ["modulo.example."],
    ("0.0.2.1.in-addr.arpa.", "PTR"): ["part.example."],
    ("0.0.0.0.in-addr.arpa.", "PTR"): ["zero.example."],
}
HARD = "hard"
SOFT = "soft"

CASES = {
    "dnsip": {
        "one.example": ["192.0.2.1"],
        "One.Example.": ["192.0.2.1"],
        "two.example": ["192.0.2.2", "192.0.2.3"],
        # The original: soft error, for it does not ask again by TCP.
        "big.example": [f"198.51.100.{n}" for n in range(60)],
        "second.example": ["192.0.2.1"],
        "nowhere.example": HARD,
        "mx.example": HARD,
        "dangling.example": HARD,
        "broken.example": SOFT,
        "1.2.3.4": ["1.2.3.4"],
        "[1.2.3.4]": ["1.2.3.4"],
        "300.1.1.1": ["44.1.1.1"],
        "1.2.3": HARD,
        "[1.2.3.4": HARD,
        "": HARD,
        "a..b": HARD,
    },
    "dnsptr": {
        # The original: in the case of the record.
        "192.0.2.1": ["one.example"],
        "192.0.2.8": HARD,
        "192.0.2.9": SOFT,
        "300.1.1.1": ["modulo.example"],
        "1.2": ["part.example"],
        "words": ["zero.example"],
        "": ["zero.example"],
    },
    "dnsfq": {
        "one.example": ["one.example"],
        "second.example": ["one.example"],
        "two.example": HARD,
        "nowhere.example": HARD,
        "broken.example": SOFT,
        "192.0.2.1": ["one.example"],
        "one.example.": ["one.example"],
        "one.": HARD,
    },
    "dnscname": {
        "one.example": ["one.example"],
        "second.example": ["one.example"],
        "nowhere.example..": ["nowhere.example"],
        "[1.2.3.4]": ["[1.2.3.4]"],
        "": [""],
        "round.example": HARD,
        "broken.example": SOFT,
        # The original: its own name, where ANY is not answered.
        "upper.example": ["target.example"],
    },
    "dnsmxip": {
        "mx.example": ["192.0.2.1 10", "192.0.2.2 20", "192.0.2.3 20"],
        "one.example": ["192.0.2.1 0"],
        "mx-none.example": [],
        "mx-half.example": ["192.0.2.1 20"],
        "mx-literal.example": ["192.0.2.77 0"],
        "mx-null.example": [],
        "1.2.3.4": ["1.2.3.4 0"],
        "nowhere.example": HARD,
        "broken.example": SOFT,
    },
}
ROWS = [
    (tool, argument, expected)
    for tool, cases in CASES.items()
    for argument, expected in cases.items()
]


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    """The server that everything here asks."""
    with serving(ZONE) as server:
        before = environ.get(b"DNSCACHEIP")
        environ[b"DNSCACHEIP"] = b"127.0.0.1:%d" % server.port
        yield server
        del environ[b"DNSCACHEIP"]
        if before is not None:
            environ[b"DNSCACHEIP"] = before


@pytest.mark.parametrize(
    ("tool", "argument", "expected"), ROWS, ids=[f"{row[0]}-{row[1]}" for row in ROWS]
)
def test_tool(
    server: DnsServer, tool: str, argument: str, expected: list[str] | str
) -> None:
    run = dnstools.TOOLS[tool]
    if expected == HARD:
        with pytest.raises(DnsPermanent):
            list(run(argument.encode()))
    elif expected == SOFT:
        with pytest.raises(DnsTemporary):
            list(run(argument.encode()))
    else:
        # Records of one name come in any order.
        found = [line.decode() for line in run(argument.encode())]
        assert sorted(found) == sorted(expected)
        order = [line.partition(" ")[2] for line in found]
        assert order == sorted(order)
    assert not [kind for _, kind, _ in server.asked if kind == "ANY"]


def test_the_addresses_of_this_machine() -> None:
    lines = list(dnstools.ipmeprint(b""))
    assert lines[0] == b"0.0.0.0"
    assert set(lines) == {format_ip4(ip) for ip in ipme.own_addresses()}


def test_a_number_of_any_length_counts_modulo_256() -> None:
    many = b"1" * 5000
    last = int(many[-20:]) % 256
    assert dnstools.scan_ip(many + b".2.3.4x") == (5006, bytes([last, 2, 3, 4]))


def run(name: str, *args: str, **env: str) -> tuple[int, str, str]:
    """Run one as an operator does; status, output, errors."""
    done = subprocess.run(
        [f"{CHECKOUT}/package/tools/{name}", *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **env},
    )
    return done.returncode, done.stdout, done.stderr


def test_as_commands(server: DnsServer) -> None:
    ask = {"DNSCACHEIP": f"127.0.0.1:{server.port}"}
    assert run("dnsip", "one.example", **ask) == (0, "192.0.2.1\n", "")
    assert run("dnsip", "nowhere.example", **ask) == (100, "", "hard error\n")
    assert run("dnsip", "broken.example", **ask) == (111, "", "soft error\n")
    assert run("hostname", "ignored") == (0, f"{os.uname().nodename}\n", "")


@pytest.mark.parametrize("name", sorted(CASES))
def test_without_an_argument_nothing_is_said(name: str) -> None:
    assert run(name) == (100, "", "")
