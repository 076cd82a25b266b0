"""pytools/ucspi/networks.py: addresses and networks of both families by name."""

from __future__ import annotations

import pytest

from pytools.ucspi import networks

ADDRESSES = {
    b"1.2.3.4": b"\1\2\3\4",
    b"::1": bytes(15) + b"\1",
    b"::ffff:1.2.3.4": b"\1\2\3\4",
    b"::FFFF:102:304": b"\1\2\3\4",
    b"::1.2.3.4": bytes(12) + b"\1\2\3\4",
    b"": None,
    b"1.2.3": None,
    b"1.2.3.256": None,
    b":": None,
    b"fe80::1%lo": None,
    b"::1\0": None,
}
IP4_NAMES = {
    b"10.16.0.0/12": b"10.16.0.0/12",
    b"10.31.255.255/12": b"10.16.0.0/12",
    b"10.1.2.3/16": b"10.1.",
    b"10.1./16": b"10.1.",
    b"10/8": b"10.",
    b"127./8": b"127.",
    b"10.1./20": b"10.1.0.0/20",
    b"1.2.3.9/24": b"1.2.3.",
    b"1.2.3.4/32": b"1.2.3.4",
    b"1.2.3.4/31": b"1.2.3.4/31",
    b"9.9.9.9/0": b"0.0.0.0/0",
    b"10.0.0.0/08": b"10.",
    b"a/8": None,
    b"1.2.3.x/8": None,
    b"1.2.3.4/x": None,
    b"1/2/3": None,
}
IP6_NAMES = {
    b"2001:DB8:0:0::1": b"2001:db8::1",
    b"::": b"::",
    b"2001:db8::": b"2001:db8::",
    b"2001:db8:": b"2001:db8::/32",
    b"fe80:": b"fe80::/16",
    b"1:2:3:4:5:6:7:": b"1:2:3:4:5:6:7:0/112",
    b"2001:db8:ffff::1/33": b"2001:db8:8000::/33",
    b"2001:db8::1/128": b"2001:db8::1",
    b"::1/0": b"::/0",
    b"[2001:db8::]": b"2001:db8::",
    b"[2001:db8::]/32": b"2001:db8::/32",
    b"[2001:db8:]": b"2001:db8::/32",
    b"::ffff:10.1.2.3": b"10.1.2.3",
    b"::ffff:10.1.2.3/112": b"10.1.",
    b"::ffff:0:0/96": b"0.0.0.0/0",
    b"::ffff:10.1.2.3/108": b"10.0.0.0/12",
    b"::/95": b"::/95",
}
BAD_IP4 = b"10.0.0.0/33 10.0.0.0/ 10.0.0.0/0000 /8 / ./8 1.2.3.4./24 1.2.3.4.5/8 300/8"
BAD_IP6 = (
    b"1.2.3.4 : :::1 2001:db8 1:2:3:4:5:6:7:8: ::1: 1::2: 1:2:3:4:5:6:7:8:9 ::/129 "
    b"::/ ::/-1 ::/x ::/1/2 [::1 ::1] [] [1.2.3.4] [::/0] ::ffff:0:0/95 ::1-5 ::1%lo "
    b"=::1 ::g 2001:db8:/32 :/0"
)


@pytest.mark.parametrize(("text", "address"), ADDRESSES.items(), ids=repr)
def test_address_is_parsed_or_refused(text: bytes, address: bytes | None) -> None:
    assert networks.parse(text) == address


@pytest.mark.parametrize(("text", "name"), IP4_NAMES.items(), ids=repr)
def test_ip4_network_gets_its_name(text: bytes, name: bytes | None) -> None:
    assert networks.ip4_name(text) == name


@pytest.mark.parametrize(("text", "name"), IP6_NAMES.items(), ids=repr)
def test_ip6_address_or_network_gets_its_name(text: bytes, name: bytes) -> None:
    assert networks.ip6_name(text) == name


@pytest.mark.parametrize("text", BAD_IP4.split(), ids=repr)
def test_bad_ip4_network_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        networks.ip4_name(text)


@pytest.mark.parametrize("text", BAD_IP6.split(), ids=repr)
def test_bad_ip6_text_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        networks.ip6_name(text)


@pytest.mark.parametrize(
    ("key", "family_and_length"),
    [
        (b"10.16.0.0/12", (32, 12)),
        (b"2001:db8::/32", (128, 32)),
        (b"10.16.0.0", None),
        (b"a/12", None),
        (b"=a/12", None),
        (b"1/2/3", None),
        (b"1/x", None),
        (b"x@10.0.0.0/12", None),
        (b"a/b@::1", None),
        (b"/", None),
    ],
    ids=repr,
)
def test_length_is_found_in_names_that_tell_it(
    key: bytes, family_and_length: tuple[int, int] | None
) -> None:
    assert networks.length_in(key) == family_and_length
