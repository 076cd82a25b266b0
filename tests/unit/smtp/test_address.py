"""qmail/smtp/address.py."""

from __future__ import annotations

import pytest

from qmail.smtp.address import MAX_ADDRESS, parse_argument

OWN = {b"\x7f\0\0\1", b"\0\0\0\0", bytes(15) + b"\1", b"\x20\1\x0d\xb8" + bytes(12)}

ARGUMENTS = [
    (b"FROM:<a@b>", b"a@b"),
    (b"FROM:<>", b""),
    (b"from: <a@b>", b"a@b"),
    (b"<a@b> SIZE=1000 BODY=8BITMIME", b"a@b"),
    (b"TO:a@b", b"a@b"),
    (b"TO:  a@b c", b"a@b"),
    (b"TO:", b""),
    (b"", b""),
    (b"no colon", b""),
    (b"TO:<a@b", b"a@b"),
    (b"TO:<@r1,@r2:a@b>", b"a@b"),
    (b"TO:<@only>", b""),
    (b"TO:<@:a:b@c>", b"a:b@c"),
    (b'TO:<"a b"@c>', b"a b@c"),
    (b'TO:<"a>b"@c>', b"a>b@c"),
    (b"TO:<a\\>b@c>", b"a>b@c"),
    (b'TO:<a\\"b@c>', b'a"b@c'),
    (b'TO:<"a\\\\b"@c>', b"a\\b@c"),
    (b"TO:<a\\", b"a"),
    (b'TO:<"a@b>', b"a@b>"),
    (b'TO:"a b"@c d', b"a b@c"),
    (b"TO:<a@[127.0.0.1]>", b"a@host"),
    (b"TO:<a@[0.0.0.0]>", b"a@host"),
    (b"TO:<a@[127.0.0.2]>", b"a@[127.0.0.2]"),
    (b"TO:<a@127.0.0.1>", b"a@127.0.0.1"),
    (b"TO:<a@[127.0.0.1>", b"a@[127.0.0.1"),
    (b"TO:<a@[127.0.0.1].>", b"a@[127.0.0.1]."),
    (b"TO:<[127.0.0.1]>", b"[127.0.0.1]"),
    (b"TO:<a@b@[127.0.0.1]>", b"a@b@host"),
    (b"TO:<a@[IPv6:::1]>", b"a@host"),
    (b"TO:<a@[ipv6:0:0:0:0:0:0:0:1]>", b"a@host"),
    (b"TO:<a@[IPV6:2001:DB8::]>", b"a@host"),
    (b"TO:<a@[IPv6:::ffff:127.0.0.1]>", b"a@host"),
    (b"TO:<a@[IPv6:2001:db8::1]>", b"a@[IPv6:2001:db8::1]"),
    (b"TO:<a@[IPv6:127.0.0.1]>", b"a@[IPv6:127.0.0.1]"),
    (b"TO:<a@[IPv6:]>", b"a@[IPv6:]"),
    (b"TO:<a@[IPv6:::1%lo]>", b"a@[IPv6:::1%lo]"),
    (b"TO:<a@[IPv6:::1>", b"a@[IPv6:::1"),
    (b"TO:<a@[::1]>", b"a@[::1]"),
    (b"TO:<a@IPv6:::1>", b"a@IPv6:::1"),
    (b"TO:<postmaster@[IPv6:::1]>", b"postmaster@host"),
    (b"TO:<@r:a@[IPv6:::1]>", b"a@host"),
    (b"TO:a@[IPv6:::1] x", b"a@host"),
]
PARAMETERS = [
    (b"FROM:<a@b>", b""),
    (b"FROM:<a@b> SIZE=1 X", b" SIZE=1 X"),
    (b"FROM:<a@b>SIZE=1", b"SIZE=1"),
    (b"FROM:<>  X", b"  X"),
    (b"FROM:<a@b", b""),
    (b"FROM:a@b SIZE=1", b"SIZE=1"),
    (b"FROM:a@b", b""),
    (b'FROM:<"a>b"@c> X=">"', b' X=">"'),
    (b"FROM:<a\\>b@c> X", b" X"),
    (b'FROM:<"a> X', b""),
    (b'FROM:"a b"@c X', b"X"),
    (b"FROM:<@r:a@b> X", b" X"),
]


@pytest.mark.parametrize(("argument", "address"), ARGUMENTS)
def test_address_argument_gives_address(argument: bytes, address: bytes) -> None:
    assert parse_argument(argument, OWN, b"host")[0] == address


@pytest.mark.parametrize(("argument", "parameters"), PARAMETERS)
def test_address_argument_gives_parameters(argument: bytes, parameters: bytes) -> None:
    assert parse_argument(argument, OWN, b"host")[1] == parameters


def test_address_literal_without_localiphost_stays() -> None:
    assert parse_argument(b"<a@[127.0.0.1]>", OWN, None)[0] == b"a@[127.0.0.1]"


@pytest.mark.parametrize("quote", [b"", b'""'])
def test_address_too_long_is_refused(quote: bytes) -> None:
    assert parse_argument(b"<" + quote + b"a" * MAX_ADDRESS + b">")[0] == b"a" * 899
    assert parse_argument(b"<" + quote + b"a" * (MAX_ADDRESS + 1) + b">")[0] is None
    assert parse_argument(b"<" + quote + b"a" * 100000 + b">")[0] is None


def test_address_length_counts_after_localiphost() -> None:
    local = b"a" * (MAX_ADDRESS - 2)
    assert (
        parse_argument(b"<" + local + b"@[127.0.0.1]>", OWN, b"h")[0] == local + b"@h"
    )
    assert parse_argument(b"<" + local + b"@[127.0.0.1]>", OWN, b"hh")[0] is None
