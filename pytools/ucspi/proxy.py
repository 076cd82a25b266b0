"""The PROXY protocol, versions 1 and 2: what a proxy says about its client (pure).

Contract     bytes in, ``Header`` out. ``wanted`` says how many bytes may be read next
             without taking any that belong to the client; 0 when the header is whole.
             ``BadHeader`` for everything that the protocol does not allow.
Source       the specification that comes with HAProxy (proxy-protocol.txt, 2.1 to 2.2).
Local        ``PROXY UNKNOWN``, the command LOCAL, and families that are not TCP: the
             header is taken away, and the addresses are those of the connection.
"""

from __future__ import annotations

from pytools.base import ip

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
SHORTEST_LINE = 15
"""``PROXY UNKNOWN`` with its end; and shorter than any header of version 2."""
LONGEST_LINE = 107
FIXED_BYTES = 16
FAMILIES, PROTOCOLS = range(4), range(3)
"""Those that are defined, none among them."""
LONGEST_BINARY = 4096
"""SECURITY: of what follows the fixed part of version 2; the protocol has 64 KB."""
UNKNOWN_LINE = b"PROXY UNKNOWN"
VERSION_2, LOCAL, PROXY = 0x20, 0, 1
IP_BYTES = {0x11: 4, 0x21: 16}
"""TCP over IPv4 and over IPv6: the bytes of an address."""
BLOCK_BYTES = {1: 12, 2: 36, 3: 216}
"""The bytes of the addresses of each family that is defined."""


class BadHeader(Exception):
    """These bytes are no header."""


class Header:
    """The two ends of the client's connection: (ip as text, port)."""

    __slots__ = ("destination", "source")

    def __init__(
        self, source: tuple[bytes, int], destination: tuple[bytes, int]
    ) -> None:
        self.source = source
        self.destination = destination


class Reader:
    """Takes the bytes of a connection until the header is whole."""

    __slots__ = ("_data", "header", "wanted")

    def __init__(self) -> None:
        self._data = b""
        self.header: Header | None = None
        """None before the end, and after it where nothing is said about the client."""
        self.wanted = SHORTEST_LINE

    def receive(self, data: bytes) -> None:
        """Take up to ``wanted`` more bytes. BadHeader."""
        self._data += data
        size = len(self._data)
        if self._data[0] == SIGNATURE[0]:
            self._receive_binary(size)
        else:
            self._receive_line(size)

    def _receive_line(self, size: int) -> None:
        data = self._data
        if not data.startswith(b"PROXY "[:size]):
            raise BadHeader
        if size < SHORTEST_LINE:
            self.wanted = SHORTEST_LINE - size
        elif data.endswith(b"\r\n"):
            self.wanted = 0
            self.header = parse_line(data[:-2])
        elif b"\n" in data or size >= LONGEST_LINE:
            raise BadHeader
        else:
            # Byte by byte: what follows the line is the client's.
            self.wanted = 1

    def _receive_binary(self, size: int) -> None:
        data = self._data
        if not data.startswith(SIGNATURE[:size]):
            raise BadHeader
        whole = FIXED_BYTES
        if size >= FIXED_BYTES:
            whole += int.from_bytes(data[14:16], "big")
            if whole > LONGEST_BINARY:
                raise BadHeader
        self.wanted = whole - size
        if not self.wanted:
            self.header = parse_binary(data)


def parse_line(line: bytes) -> Header | None:
    """Version 1, without its CRLF. BadHeader."""
    if line == UNKNOWN_LINE or line.startswith(UNKNOWN_LINE + b" "):
        return None
    words = line.split(b" ")
    if len(words) != 6 or words[0] != b"PROXY":
        raise BadHeader
    size = {b"TCP4": 4, b"TCP6": 16}.get(words[1])
    if size is None:
        raise BadHeader
    return _header(
        size, _address(words[2]), _port(words[4]), _address(words[3]), _port(words[5])
    )


def _address(word: bytes) -> bytes | None:
    """The bytes of an address; None if it is none.

    Elsewhere 192.0.2.01 is an address, too: the protocol alone forbids the zero.
    """
    for number in word.rpartition(b":")[2].split(b".") if b"." in word else ():
        if len(number) > 1 and number[:1] == b"0":
            return None
    return ip.parse(word)


def _port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or (len(word) > 1 and word[:1] == b"0"):
        raise BadHeader
    return int(word)


def parse_binary(data: bytes) -> Header | None:
    """Version 2, whole. BadHeader."""
    if data[12] & 0xF0 != VERSION_2:
        raise BadHeader
    command, family = data[12] & 0x0F, data[13]
    if command == LOCAL:
        return None
    if command != PROXY:
        raise BadHeader
    if family >> 4 not in FAMILIES or family & 0x0F not in PROTOCOLS:
        raise BadHeader
    block = data[FIXED_BYTES:]
    if len(block) < BLOCK_BYTES.get(family >> 4, 0):
        raise BadHeader
    size = IP_BYTES.get(family)
    if size is None:
        # Unix sockets, UDP, and proxies that do not say.
        return None
    ports = block[2 * size : 2 * size + 4]
    return _header(
        size,
        block[:size],
        int.from_bytes(ports[:2], "big"),
        block[size : 2 * size],
        int.from_bytes(ports[2:], "big"),
    )


def _header(
    size: int,
    source: bytes | None,
    source_port: int,
    destination: bytes | None,
    destination_port: int,
) -> Header:
    """Check the parts; an IPv4 address in IPv6 form becomes a plain one."""
    if (
        source is None
        or destination is None
        or not len(source) == len(destination) == size
    ):
        raise BadHeader
    if source_port > 0xFFFF or destination_port > 0xFFFF:
        raise BadHeader
    return Header(
        (ip.format_ip(ip.unmapped(source)), source_port),
        (ip.format_ip(ip.unmapped(destination)), destination_port),
    )
