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
]


@pytest.mark.parametrize(("line", "records"), VALID.items(), ids=repr)
def test_line_valid_gives_records(
    line: bytes, records: list[tuple[bytes, bytes]]
) -> None:
    assert list(rules.parse_line(line)) == records


@pytest.mark.parametrize("line", INVALID, ids=repr)
def test_line_invalid_is_bad_rule(line: bytes) -> None:
    with pytest.raises(rules.BadRule) as caught:
        list(rules.parse_line(line))
    assert caught.value.line == line.rstrip(b" \t\n")


def test_line_invalid_with_nul_is_shown_up_to_it() -> None:
    with pytest.raises(rules.BadRule) as caught:
        list(rules.parse_line(b"1:x\0y"))
    assert caught.value.line == b"1:x"


def test_keys_of_known_client_come_in_documented_order() -> None:
    assert list(rules.keys(b"1.2.3.4", b"a.b.org", b"joe")) == [
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
    assert list(rules.keys(b"1.2.3.4", None, None)) == [
        b"1.2.3.4",
        b"1.2.3.",
        b"1.2.",
        b"1.",
        b"",
    ]


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
