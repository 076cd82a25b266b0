"""pytools/ucspi/rules.py: from lines to records, and from records to a verdict."""

from __future__ import annotations

import pytest

from pytools.ucspi import rules

VALID = {
    b"1.2.3.4:deny": [(b"1.2.3.4", b"D\0")],
    b"1.2.3.4:allow \t\n": [(b"1.2.3.4", b"")],
    b":allow": [(b"", b"")],
    b'127.:allow,RELAYCLIENT=""': [(b"127.", b"+RELAYCLIENT=\0")],
    b"1:allow,A=/x:,y/,B=qzq": [(b"1", b"+A=x:,y\0+B=z\0")],
    b'1:deny,X="y"': [(b"1", b"D\0+X=y\0")],
    b'=.org:allow,=""': [(b"=.org", b"+=\0")],
    b" 1:deny": [(b" 1", b"D\0")],
    b"# 1:deny": [],
    b"": [],
    b"   \n": [],
    b"no colon": [],
    b"1.2.3.37-39:deny": [(b"1.2.3.%d" % n, b"D\0") for n in (37, 38, 39)],
    b"10.2-3.:deny": [(b"10.2.", b"D\0"), (b"10.3.", b"D\0")],
    b"1-2.3-4:deny": [(b"1.3-4", b"D\0"), (b"2.3-4", b"D\0")],
    b"254-999:deny": [(b"254", b"D\0"), (b"255", b"D\0")],
    b"-1.:deny": [(b"0.", b"D\0"), (b"1.", b"D\0")],
    b"007-8:deny": [(b"7", b"D\0"), (b"8", b"D\0")],
    b"3-1:deny": [],
    b"a@1-2:deny": [(b"a@1-2", b"D\0")],
    b"=h1-2:deny": [(b"=h1-2", b"D\0")],
    b"1-18446744073709551618.:deny": [(b"1.", b"D\0"), (b"2.", b"D\0")],
    b"0" * 9000 + b"1-2.:deny": [(b"1.", b"D\0"), (b"2.", b"D\0")],
    b"10.1.2.3/16:deny": [(b"10.1.", b"D\0")],
    b"10.0-1.0.0/16:deny": [(b"10.0.", b"D\0"), (b"10.1.", b"D\0")],
    b"10.16.0.0/12:deny": [(b"10.16.0.0/12", b"D\0"), (b":4", b"\x0c")],
    b"a/24:deny": [(b"a/24", b"D\0")],
    b"j@10.0.0.0/12:deny": [(b"j@10.0.0.0/12", b"D\0")],
    b'2001:DB8::0:1:allow,X="a:deny"': [(b"2001:db8::1", b"+X=a:deny\0")],
    b"2001:db8::allow": [(b"2001:db8::/32", b""), (b":6", b"\x20")],
    b"[2001:db8::]/33:deny": [(b"2001:db8::/33", b"D\0"), (b":6", b"\x21")],
    b"joe@[2001:db8::1]:deny": [(b"joe@2001:db8::1", b"D\0")],
    b"a/b@::1:deny": [(b"a/b@::1", b"D\0")],
    b"::ffff:10.0.0.0/104:deny": [(b"10.", b"D\0")],
    b"::/0:deny": [(b"::/0", b"D\0"), (b":6", b"\0")],
    b"2001:deny": [(b"2001", b"D\0")],
}

INVALID = [
    b"1:",
    b"1:DENY",
    b"1:denyX",
    b"1:allow A",
    b"1:allow,",
    b"1:allow,A",
    b"1:allow,A=",
    b'1:allow,A="x',
    b'1:allow,A="x",',
    b'1:allow,A="x" ,B="y"',
    b'1:allow,A="x""',
    b"a-b:deny",
    b"1-2-3:deny",
    b"1:deny\r\n",
    b"10.0.0.0/33:deny",
    b"10.0.0.0/:deny",
    b"::allow",
    b"1::2::3:allow",
    b"2001:db8:1:allow",
    b"2001:db8::1",
    b"2001:db8::1:drop",
    b"2001:db8::1:allowed",
    b"::1-5:allow",
    b"fe80::1%lo:allow",
    b"=::1:allow",
    b"a:b@::1:allow",
    b"a:b@1.2.3.4:allow",
    b"joe@2001:db8::/32:allow",
    b"joe@2001::allow",
    b"1.2.3.4:x:allow",
    b"[1.2.3.4]:x:allow",
]


def compile_lines(*lines: bytes) -> list[tuple[bytes, bytes]]:
    """The records of some lines."""
    records: list[tuple[bytes, bytes]] = []
    compiler = rules.Compiler(lambda key, data: records.append((key, data)))
    compiler.compile(lines)
    compiler.finish()
    return records


@pytest.mark.parametrize(("line", "records"), VALID.items(), ids=repr)
def test_line_valid_gives_records(
    line: bytes, records: list[tuple[bytes, bytes]]
) -> None:
    assert compile_lines(line) == records


@pytest.mark.parametrize("line", INVALID, ids=repr)
def test_line_invalid_is_bad_rule(line: bytes) -> None:
    with pytest.raises(rules.BadRule) as caught:
        compile_lines(line)
    assert caught.value.line == line.rstrip(b" \t\n")


def test_line_invalid_with_nul_is_shown_up_to_it() -> None:
    with pytest.raises(rules.BadRule) as caught:
        compile_lines(b"1:x\0y")
    assert caught.value.line == b"1:x"


def test_instructions_seen_before_mean_the_same_again() -> None:
    lines = [
        b"1:allow,A=/b/",
        b"2:allow,A=/b/",
        b"=h:allow,A=/b/",
        b"3:deny",
        b"4:deny ",
    ]
    assert compile_lines(*lines, b"5:deny") == [
        *((address, b"+A=b\0") for address in (b"1", b"2", b"=h")),
        *((address, b"D\0") for address in (b"3", b"4", b"5")),
    ]


def test_piece_of_an_ip6_rule_is_no_instruction_afterwards() -> None:
    with pytest.raises(rules.BadRule):
        compile_lines(b"2001:db8::1:deny", b"2001:deny", b"1.2.3.4:db8::1:deny")


def test_comment_is_one_whatever_was_seen_before() -> None:
    assert compile_lines(b"1:deny", b"#2:deny", b"#:deny") == [(b"1", b"D\0")]


def test_lengths_of_networks_are_told_once_the_longest_first() -> None:
    lines = [b"10.0.0.0/12:deny", b"9.0.0.0/7:deny", b"11.0.0.0/20:deny", b"::/7:deny"]
    assert compile_lines(*lines, b"12.0.0.0/12:deny", b"1.0.0.0/8:deny")[-2:] == [
        (b":4", b"\x14\x0c\x07"),
        (b":6", b"\x07"),
    ]


def keys(ip: bytes, host: bytes | None, info: bytes | None) -> list[bytes]:
    """The keys where no networks are."""
    none: dict[bytes, bytes] = {}
    return list(rules.keys(none.get, ip, host, info))


def test_keys_of_known_client_come_in_documented_order() -> None:
    assert keys(b"1.2.3.4", b"a.b.org", b"joe") == [
        b"joe@1.2.3.4",
        b"joe@=a.b.org",
        b"1.2.3.4",
        b"=a.b.org",
        b"1.2.3.",
        b"1.2.",
        b"1.",
        b"=.b.org",
        b"=.org",
        b"=",
        b"",
    ]


def test_keys_without_name_and_info_are_addresses_only() -> None:
    assert keys(b"1.2.3.4", None, None) == [
        b"1.2.3.4",
        b"1.2.3.",
        b"1.2.",
        b"1.",
        b"",
    ]


def test_keys_of_ip4_networks_come_among_the_prefixes_longest_first() -> None:
    table = {b":4": b"\x1f\x14\0"}
    assert list(rules.keys(table.get, b"1.2.255.4", b"h", None)) == [
        *(b"1.2.255.4", b"=h"),
        *(b"1.2.255.4/31", b"1.2.255.", b"1.2.240.0/20", b"1.2.", b"1.", b"0.0.0.0/0"),
        *(b"=", b""),
    ]


def test_keys_of_ip6_client_are_canonical() -> None:
    table = {b":6": b"\x40\x20", b":4": b"\x14"}
    assert list(rules.keys(table.get, b"2001:DB8:0:1:0::9", None, b"joe")) == [
        *(b"joe@2001:db8:0:1::9", b"2001:db8:0:1::9"),
        *(b"2001:db8:0:1::/64", b"2001:db8::/32", b""),
    ]


@pytest.mark.parametrize("ip", [b"::ffff:1.2.3.4", b"::FFFF:102:304"])
def test_mapped_client_is_the_ip4_client(ip: bytes) -> None:
    assert keys(ip, None, None) == keys(b"1.2.3.4", None, None)


def test_zone_of_a_client_does_not_count() -> None:
    assert keys(b"fe80::1%eth0", None, None) == [b"fe80::1", b""]


@pytest.mark.parametrize("ip", [b"", b"1.2", b"1.2.3.4.5", b"::x", b"1:2", b"x.y."])
def test_no_address_is_looked_up_as_it_stands(ip: bytes) -> None:
    table = {b":6": b"\x40\x20", b":4": b"\x14"}
    found = list(rules.keys(table.get, ip, None, None))
    assert found[0] == ip
    assert found[1:-1] == [
        ip[: at + 1] for at in range(len(ip) - 1, -1, -1) if ip[at : at + 1] == b"."
    ]


def test_lengths_that_no_address_has_are_passed_over() -> None:
    table = {b":4": b"\xff\x21\x14"}
    assert b"1.2.0.0/20" in rules.keys(table.get, b"1.2.3.4", None, None)


def test_look_up_takes_first_hit_and_merges_nothing() -> None:
    table = {b"1.": b"+A=1\0", b"": b"+B=2\0"}
    assert rules.look_up(table.get, b"1.2.3.4", None, None) == (b"1.", b"+A=1\0")
    assert rules.look_up(table.get, b"2.2.3.4", None, None) == (b"", b"+B=2\0")
    table.clear()
    assert rules.look_up(table.get, b"1.2.3.4", None, None) is None


def test_decode_keeps_order_and_empty_values() -> None:
    assert rules.decode(b"+A=\0+B=x=y\0") == (False, [(b"A", b""), (b"B", b"x=y")])
    assert rules.decode(b"D\0+B=x\0") == (True, [(b"B", b"x")])
    assert rules.decode(b"") == (False, [])
    assert rules.decode(b"+cut off=") == (False, [])
