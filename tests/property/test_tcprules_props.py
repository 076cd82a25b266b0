"""Rules: any text, any client, the original's bytes and verdicts."""

from __future__ import annotations

import ipaddress
import re
import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pytools.base.cdb import CdbMaker
from pytools.commands.tcprulescheck import describe
from pytools.ucspi import rules

TOKENS = [
    *(b'1 2 3 255 300 00 - . a = @ : , deny allow " / # x= 10-12 \r'.split(b" ")),
    *(b' ,X="y",Z=/q/ 18446744073709551617'.split(b",")),
    b',X="y"',
    b" ",
    b"\t",
    b"\0",
]
PIECES = [b"1", b"2", b".", b"-", b"=", b"@", b"a", b"/", b" ", b"#", b"\0"]
ADDRESS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join),
    st.sampled_from(
        [b"1.2.3.4", b"10.", b"=.x.org", b"=", b"", b"7-9.", b"1.2.3-300.4"]
    ),
)
ITEM = st.sampled_from([b',X="y"', b",Z=/q/", b',=""', b",A=\0b\0", b",A= b "])
RULE = st.builds(
    lambda address, verdict, items: address + b":" + verdict + b"".join(items),
    ADDRESS,
    st.sampled_from([b"deny", b"allow"]),
    st.lists(ITEM, max_size=2),
)
NOISE = st.lists(st.sampled_from(TOKENS), max_size=8).map(b"".join)
SILENT = st.sampled_from([b"", b" ", b"# 1:deny", b"no rule", b"1.2.3.4"])
TEXT = st.builds(
    lambda lines, last: b"\n".join([*lines, last]),
    st.lists(RULE | SILENT, max_size=40),
    NOISE | RULE,
)
NETWORK = re.compile(rb"[0-9.-]*/[0-9.]*:")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
IP = st.lists(st.sampled_from([b"1", b"2", b"."]), max_size=5).map(b"".join)
NAME = st.none() | st.lists(st.sampled_from([b"a", b".", b"1"]), max_size=4).map(
    b"".join
)


def compile_rules(text: bytes, path: Path) -> tuple[int, bytes]:
    """What tcprules does, in this process: (status, the bad line)."""
    with open(path, "w+b", buffering=0) as file:
        maker = CdbMaker(file.fileno())
        compiler = rules.Compiler(maker.add)
        try:
            compiler.compile(text.split(b"\n"))
        except rules.BadRule as bad:
            return 100, bad.line
        compiler.finish()
        maker.finish()
    return 0, b""


def is_new(line: bytes) -> bool:
    """Is it a network to us, which to the original is an address of no client?"""
    return NETWORK.match(line) is not None


@given(text=TEXT)
def test_any_rules_compile_to_the_original_bytes(
    text: bytes, originals: str, tmp_path: Path
) -> None:
    text = b"\n".join(line for line in text.split(b"\n") if not is_new(line))
    (tmp_path / "theirs").unlink(missing_ok=True)
    theirs = subprocess.run(
        [f"{originals}/tcprules", "theirs", "theirs.tmp"],
        input=text,
        capture_output=True,
        cwd=tmp_path,
        timeout=20,
    )
    status, bad = compile_rules(text, tmp_path / "ours")
    assert status == theirs.returncode
    if status:
        assert theirs.stderr.endswith(b"unable to parse this line: " + bad + b"\n")
    else:
        assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


@given(
    records=st.dictionaries(
        st.sampled_from(
            b"1. 1.2 2. .. . = =a =.a =.1 =. =a.a a@1 1@=a a@=a.1 @ @1 @=".split()
            + [b""]
        ),
        st.sampled_from([b"", b"D\0", b"+A=1\0+B=\0", b"D\0+A=1\0"]),
        max_size=8,
    ),
    ip=IP,
    host=NAME,
    info=NAME,
)
def test_any_client_meets_the_rule_the_original_finds(
    records: dict[bytes, bytes],
    ip: bytes,
    host: bytes | None,
    info: bytes | None,
    originals: str,
    tmp_path: Path,
) -> None:
    with open(tmp_path / "cdb", "w+b", buffering=0) as file:
        maker = CdbMaker(file.fileno())
        for key, data in records.items():
            maker.add(key, data)
        maker.finish()
    env = {b"TCPREMOTEIP": ip, b"TCPREMOTEHOST": host, b"TCPREMOTEINFO": info}
    theirs = subprocess.run(
        [f"{originals}/tcprulescheck", "cdb"],
        env={name: value for name, value in env.items() if value is not None},
        capture_output=True,
        cwd=tmp_path,
        timeout=20,
    )
    assert theirs.returncode == 0
    assert describe(rules.look_up(records.get, ip, host, info)) == theirs.stdout


@given(st.binary() | NOISE)
def test_any_bytes_are_records_or_a_bad_rule(text: bytes) -> None:
    records: list[tuple[bytes, bytes]] = []
    compiler = rules.Compiler(lambda key, data: records.append((key, data)))
    try:
        compiler.compile(text.split(b"\n"))
    except rules.BadRule:
        pass
    for _, data in records:
        rules.decode(data)


def spelt(address: Address, how: int) -> str:
    """One of the ways to write an address."""
    if address.version == 4:
        return str(address) if how % 2 else f"::ffff:{address}"
    return (address.exploded, address.compressed, address.compressed.upper())[how % 3]


IP4 = st.sampled_from([0x0A000000, 0x0A0FFFFF, 0xC0000207]) | st.integers(0, 2**32 - 1)
IP6 = st.sampled_from([0, 1, 0x20010DB8 << 96, (0x20010DB8 << 96) + 5])
ADDRESSES = st.one_of(
    IP4.map(ipaddress.IPv4Address),
    (IP6 | st.integers(2**64, 2**128 - 1)).map(ipaddress.IPv6Address),
)


@st.composite
def networks_and_clients(draw: st.DrawFn) -> tuple[list[Network], list[Address]]:
    """Networks, and clients in them or near them."""
    networks: list[Network] = []
    for address in draw(st.lists(ADDRESSES, min_size=1, max_size=8)):
        length = draw(st.integers(0, address.max_prefixlen))
        networks.append(ipaddress.ip_network((int(address), length), strict=False))
    clients = draw(st.lists(ADDRESSES, max_size=4))
    for network in networks:
        offset = draw(st.integers(0, network.num_addresses - 1))
        clients.append(network[offset])
        if int(network[-1]) + 1 < 2**network.max_prefixlen:
            clients.append(network[-1] + 1)
    return networks, clients


@given(networks_and_clients(), st.integers(0, 5), st.booleans())
def test_client_meets_the_narrowest_network_around_it(
    drawn: tuple[list[Network], list[Address]], how: int, brackets: bool
) -> None:
    networks, clients = drawn
    lines = []
    for number, network in enumerate(networks):
        text, length = spelt(network.network_address, how), network.prefixlen
        if network.version == 4 and ":" in text:
            length += 96
        if brackets and ":" in text:
            text = f"[{text}]"
        lines.append(f"{text}/{length}:allow,N=/{number}/".encode())
    table: dict[bytes, bytes] = {}
    compiler = rules.Compiler(table.setdefault)
    compiler.compile(lines)
    compiler.finish()
    for client in clients:
        around = [network for network in networks if client in network]
        found = rules.look_up(table.get, spelt(client, how).encode(), None, None)
        if not around:
            assert found is None
            continue
        narrowest = max(around, key=lambda network: network.prefixlen)
        assert found is not None
        assert found[1] == b"+N=%d\0" % networks.index(narrowest)
