"""pytools/ucspi/proxy.py: every byte counts, and none too many is taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytools.base import ip
from pytools.ucspi.proxy import SIGNATURE, BadHeader, Header, Reader


def read(data: bytes) -> tuple[Header | None, bytes]:
    """As the child of tcpserver reads; what was said, and what is left. BadHeader."""
    reader = Reader()
    while reader.wanted:
        taken, data = data[: reader.wanted], data[reader.wanted :]
        if not taken:
            raise EOFError
        reader.receive(taken)
    return reader.header, data


def binary(first: int, family: int, block: bytes) -> bytes:
    return SIGNATURE + bytes((first, family)) + len(block).to_bytes(2, "big") + block


FOUR = b"\xc0\0\2\7" + b"\xc6\x33\x64\1" + b"\x12\x67\0\x19"
SIX = bytes(15) + b"\1" + bytes(15) + b"\2" + b"\x12\x67\0\x19"
GOOD = {
    b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n": (b"192.0.2.7", 4711),
    b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n": (b"0.0.0.0", 0),
    b"PROXY TCP4 10.0.20.100 0.0.0.10 1 2\r\n": (b"10.0.20.100", 1),
    b"PROXY TCP6 ::1 2001:db8::2 4711 25\r\n": (b"::1", 4711),
    b"PROXY TCP6 0001::0 ::0a 4711 25\r\n": (b"1::", 4711),
    b"PROXY TCP6 2001:DB8::0:1 ::2 4711 25\r\n": (b"2001:db8::1", 4711),
    b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:1.2.3.4 1 2\r\n": (b"192.0.2.7", 1),
    b"PROXY UNKNOWN\r\n": None,
    b"PROXY UNKNOWN ffff::1 whatever it is\r\n": None,
    binary(0x21, 0x11, FOUR): (b"192.0.2.7", 4711),
    binary(0x21, 0x11, FOUR + b"\3\0\1x"): (b"192.0.2.7", 4711),
    binary(0x21, 0x21, SIX): (b"::1", 4711),
    binary(0x20, 0x00, b""): None,
    binary(0x20, 0x11, FOUR): None,
    binary(0x21, 0x00, b"xx"): None,
    binary(0x21, 0x12, FOUR): None,
    binary(0x21, 0x31, bytes(216)): None,
}
BAD = [
    b"EHLO mail.example.org\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25 x\r\n",
    b"PROXY TCP4  192.0.2.7 198.51.100.1 4711 25\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 65536\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 -1\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 04711 25\r\n",
    b"PROXY TCP4 192.0.2.256 198.51.100.1 4711 25\r\n",
    b"PROXY TCP4 192.0.2.01 198.51.100.1 4711 25\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.0100.1 4711 25\r\n",
    b"PROXY TCP4 192.0.2.7 198.051.100.1 4711 25\r\n",
    b"PROXY TCP4 00.0.2.7 198.51.100.1 4711 25\r\n",
    b"PROXY TCP6 ::ffff:192.0.2.07 ::ffff:1.2.3.4 1 2\r\n",
    b"PROXY TCP6 ::1 ::ffff:01.2.3.4 1 2\r\n",
    b"PROXY TCP4 ::1 ::1 4711 25\r\n",
    b"PROXY TCP6 192.0.2.7 198.51.100.1 4711 25\r\n",
    b"PROXY UDP4 192.0.2.7 198.51.100.1 4711 25\r\n",
    b"PROXY UNKNOWNX\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\n\r\n",
    b"proxy tcp4 192.0.2.7 198.51.100.1 4711 25\r\n",
    b"PROXY UNKNOWN " + b"x" * 200,
    b"\r\n\r\n\0\r\nQUIX\n" + bytes(10),
    binary(0x11, 0x11, FOUR),
    binary(0x22, 0x11, FOUR),
    binary(0x21, 0x11, FOUR[:-1]),
    binary(0x21, 0x21, FOUR),
    binary(0x21, 0x31, bytes(215)),
    binary(0x21, 0x11, FOUR + bytes(5000)),
]


@pytest.mark.parametrize("data", GOOD, ids=lambda data: repr(data)[:50])
def test_header_is_read_and_nothing_behind_it(data: bytes) -> None:
    header, left = read(data + b"EHLO x\r\n")
    assert left == b"EHLO x\r\n"
    expected = GOOD[data]
    assert (header.source if header else None) == expected


@pytest.mark.parametrize("data", GOOD, ids=lambda data: repr(data)[:50])
def test_header_in_single_bytes_is_the_same_and_never_whole_too_soon(
    data: bytes,
) -> None:
    reader = Reader()
    for at in range(len(data)):
        assert 0 < reader.wanted <= len(data) - at
        reader.receive(data[at : at + 1])
    assert reader.wanted == 0
    assert (reader.header.source if reader.header else None) == GOOD[data]


@pytest.mark.parametrize("data", BAD, ids=lambda data: repr(data)[:50])
def test_what_the_protocol_does_not_allow_is_refused(data: bytes) -> None:
    with pytest.raises(BadHeader):
        read(data)


@given(st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", SIGNATURE]))
def test_any_bytes_give_a_header_or_are_refused(data: bytes, start: bytes) -> None:
    try:
        header, _ = read(start + data)
    except (BadHeader, EOFError):
        return
    if header is not None:
        assert ip.parse(header.source[0])
        assert 0 <= header.destination[1] <= 65535


@given(st.binary(min_size=4, max_size=4), st.integers(0, 65535), st.booleans())
def test_what_is_said_in_either_version_is_the_same(
    address: bytes, port: int, is_ip6: bool
) -> None:
    packed = bytes(8) + address * 2 if is_ip6 else address
    text = ip.format_ip(packed)
    kind = 6 if is_ip6 else 4
    line = b"PROXY TCP%d %b %b %d 25\r\n" % (kind, text, text, port)
    block = packed * 2 + port.to_bytes(2, "big") + b"\0\x19"
    both = [read(line)[0], read(binary(0x21, 0x21 if is_ip6 else 0x11, block))[0]]
    for header in both:
        assert header is not None
        assert header.source == (ip.format_ip(ip.unmapped(packed)), port)
        assert header.destination[1] == 25
