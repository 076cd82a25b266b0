"""The doctor on DNS: servers that answer, fail, or are not there."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from qmail.operator.doctor import dns
from qmail.operator.doctor.dns import Answer, check_dns, decode, encode
from qmail.operator.doctor.machine import Machine
from qmail.operator.doctor.network import check_ip6
from tests.support.dnsserver import DnsServer, Zone
from tests.unit.operator.doctor.scene import HOST, Scene

ADDRESS = "1.2.3.4"
PTR = ("4.3.2.1.in-addr.arpa.", "PTR")
ADDRESS6 = "2600::1"
PTR6 = ("1." + "0." * 27 + "0.0.6.2.ip6.arpa.", "PTR")
CONF = "/etc/resolv.conf"


@pytest.fixture
def zone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zone]:
    """What a server answers that resolv.conf names, however long it takes."""
    monkeypatch.setattr(dns, "TRY_SECONDS", 20)
    zone: Zone = {(f"{HOST}.", "MX"): ["10 mail.example."]}
    server = DnsServer(zone)
    scene.change(dns_port=server.port)
    scene.put(CONF[1:], "# by hand\nnameserver 127.0.0.1\n")
    yield zone
    server.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "TRY_SECONDS", 0.05)


def line_of(number: int) -> str:
    """The pattern of a server's line."""
    blank = "[[:blank:]]"
    return rf"^nameserver{blank}{blank}*127\.0\.0\.{number}{blank}*$"


def test_server_that_answers(scene: Scene, zone: Zone) -> None:
    assert scene.found(check_dns) == []


@pytest.mark.parametrize("content", [None, "", "search example\nnameserver\n"])
def test_no_server_is_named(scene: Scene, content: str | None, quick: None) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        scene.change(dns_port=silent.getsockname()[1])
        if content is not None:
            scene.put(CONF[1:], content)
        assert scene.found(check_dns) == [
            ("resolver-not-configured", f"${{EDITOR:-vi}} {CONF}")
        ]


def test_server_of_this_machine_is_proposed(scene: Scene, zone: Zone) -> None:
    scene.put(CONF[1:], "")
    assert scene.found(check_dns) == [
        ("resolver-not-configured", f"echo nameserver 127.0.0.1 >> {CONF}")
    ]


def test_dead_server_beside_one_that_lives(scene: Scene, zone: Zone) -> None:
    scene.put(CONF[1:], "nameserver 127.0.0.9\nnameserver 127.0.0.1\n")
    script = f"'/{line_of(9)}/d'"
    assert scene.found(check_dns) == [("resolver-dead", f"sed -i {script} {CONF}")]


def test_silent_server(scene: Scene, zone: Zone, quick: None) -> None:
    zone[f"{HOST}.", "SILENT"] = zone[".", "SILENT"] = []
    assert scene.found(check_dns) == [("resolver-dead", f"${{EDITOR:-vi}} {CONF}")]


def test_none_is_removed_where_all_are_dead(scene: Scene, quick: None) -> None:
    scene.put(CONF[1:], "nameserver 127.0.0.8\nnameserver 127.0.0.9\n")
    scene.change(dns_port=1)
    dead = ("resolver-dead", f"${{EDITOR:-vi}} {CONF}")
    assert scene.found(check_dns) == [dead] * 2


@pytest.mark.parametrize("content", ["nameserver 127.0.0.9\n", "", None])
def test_link_stays_a_link(scene: Scene, content: str | None, quick: None) -> None:
    scene.change(dns_port=1)
    if content is not None:
        scene.put("run/stub.conf", content)
    (scene.root / CONF[1:]).symlink_to("../run/stub.conf")
    ((code, remedy),) = scene.found(check_dns)
    assert code == "resolver-dead" if content else "resolver-not-configured"
    assert remedy == f"ls -l {CONF}"


def test_many_addresses_and_a_server_that_is_silent_to_them(
    scene: Scene, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = frozenset(socket.inet_aton(f"1.2.3.{number}") for number in range(40))
    scene.change(own_addresses=lambda: packed)
    for number in range(40):
        zone[f"{number}.3.2.1.in-addr.arpa.", "SILENT"] = []
    asked: list[str] = []
    ask = dns.ask

    def impatient(machine: Machine, server: str, name: str, kind: int) -> Answer | None:
        if kind == dns.PTR:
            asked.append(name)
            monkeypatch.setattr(dns, "TRY_SECONDS", 0.05)
        return ask(machine, server, name, kind)

    monkeypatch.setattr(dns, "ask", impatient)
    monkeypatch.setattr(dns, "PTR_SECONDS", 0.3)
    assert scene.found(check_dns) == []
    # Each takes two tries.
    assert 1 <= len(asked) <= 4


def test_server_that_fails(scene: Scene, zone: Zone) -> None:
    zone[f"{HOST}.", "RCODE"] = ["SERVFAIL"]
    assert scene.found(check_dns) == []
    zone[".", "RCODE"] = ["REFUSED"]
    assert scene.codes(check_dns) == ["resolver-failing"]


def test_garbage_in_resolv_conf(scene: Scene, zone: Zone) -> None:
    scene.put(CONF[1:], b"nameserver \xff;rm\nnameserver 127.0.0.1\n")
    ((code, _),) = scene.found(check_dns)
    assert code == "resolver-dead"


def test_address_without_a_name(scene: Scene, zone: Zone) -> None:
    packed = frozenset(
        map(socket.inet_aton, (ADDRESS, "127.0.0.1", "10.0.0.1", "0.0.0.0"))
    )
    scene.change(own_addresses=lambda: packed)
    scene.put("proc/net/if_inet6", f"2600{'0' * 27}1 02 40 00 80 eth0\n")
    assert scene.found(check_dns) == [
        ("no-ptr", f"dig +short -x {ADDRESS}"),
        ("no-ptr", f"dig +short -x {ADDRESS6}"),
    ]
    zone[PTR] = zone[PTR6] = [f"{HOST}."]
    assert scene.found(check_dns) == []
    del zone[PTR]
    zone[PTR[0], "RCODE"] = ["SERVFAIL"]
    assert scene.found(check_dns) == []


def test_name_with_an_ipv6_address_wants_a_listener(scene: Scene, zone: Zone) -> None:
    assert scene.found(check_ip6) == []
    zone[f"{HOST}.", "AAAA"] = ["2001:db8::1"]
    (finding,) = check_ip6(scene.machine)
    assert finding.code == "ipv6-no-listener"
    assert finding.what.startswith(f"{HOST} has the address 2001:db8::1 in DNS, but ")


def test_address_that_dns_does_not_give_is_told_from_one_it_gives(
    scene: Scene, zone: Zone
) -> None:
    scene.put("proc/net/if_inet6", f"2600{'0' * 27}1 02 40 00 80 eth0\n")
    (finding,) = check_ip6(scene.machine)
    assert finding.what.startswith(
        f"this machine has the address {ADDRESS6} (which DNS does not give for {HOST}), "
    )


@pytest.mark.parametrize("cut", range(0, 45, 4))
def test_reply_that_is_cut_is_no_answer(cut: int) -> None:
    record = b"\xc0\x0c" + struct.pack("!HHIH", 28, 1, 60, 16) + bytes(15) + b"\1"
    head = struct.pack("!6H", 7, 0x8180, 1, 1, 0, 0)
    reply = head + encode("a.b", 28, 7)[12:] + record
    whole = decode(reply, 28, 7)
    assert whole is not None
    assert (whole.code, whole.count, whole.addresses) == (0, 1, ["::1"])
    assert decode(reply, 28, 8) is None
    assert decode(reply[:cut], 28, 7) is None


def test_reply_with_more_than_fits_is_not_empty() -> None:
    head = struct.pack("!6H", 7, 0x8380, 1, 0, 0, 0)
    answer = decode(head + encode("a.b", 12, 7)[12:], 12, 7)
    assert answer is not None
    assert answer.count == 1


@pytest.mark.parametrize("name", ["x" * 64, "a." * 200])
def test_name_that_can_be_none_is_not_asked(name: str) -> None:
    with pytest.raises(ValueError):
        encode(name, 1, 1)
