"""The rules by which tcpserver takes or drops a connection (pure).

Contract     text lines in, cdb records out, as tcprules(5) describes; and from the
             records and what is known of a client, back to a verdict.
Format       key: an address, or the name of a network; data: ``D`` NUL when denied,
             then ``+NAME=value`` NUL for each variable, in order. Where there are
             networks whose names tell their length, a record of each family tells which
             lengths occur, in a byte each, the longest first.
Rule         what the original takes keeps its meaning, but for a slash in an address,
             which no client of the original has. It refuses every line that has
             something else than an instruction after its first colon: only such lines
             are read as rules for IPv6. Keys with a colon are new for the same reason.
"""

from __future__ import annotations

from pytools.ucspi import networks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Get = Callable[[bytes], bytes | None]

BLANKS = b" \t\n"
VERDICTS = (b"deny", b"allow")
HIGHEST_BYTE = 255
LENGTHS_KEYS = ((networks.IP4_BITS, b":4"), (networks.IP6_BITS, b":6"))
DOTTED_LENGTHS = (24, 16, 8)
KNOWN_MAX = 1000
KNOWN_BYTES = 200


class BadRule(Exception):
    """A line that is no rule."""

    def __init__(self, line: bytes) -> None:
        super().__init__(line)
        self.line = line


class Compiler:
    """Turns lines into records, for each of which it calls ``add``."""

    __slots__ = ("_add", "_known", "_lengths")

    def __init__(self, add: Callable[[bytes, bytes], object]) -> None:
        self._add = add
        self._known: dict[bytes, bytes] = {}
        self._lengths: dict[int, set[int]] = {bits: set() for bits, _ in LENGTHS_KEYS}

    def compile(self, lines: Iterable[bytes]) -> None:
        """Add the records of some lines. BadRule; what ``add`` raises."""
        add, get, numeric = self._add, self._known.get, networks.NUMERIC
        for line in lines:
            # PERF: nearly all lines of a large file are a name, or an IPv4 address or
            # its beginning, and instructions that were there before: 0.4 microseconds
            # a line against 2.9 (tests/bench/tcprules.py).
            address, _, instructions = line.partition(b":")
            data = get(instructions)
            if data is None or (address.strip(numeric) and address[:1] != b"="):
                self._compile_line(line)
            else:
                add(address, data)

    def _compile_line(self, line: bytes) -> None:
        line = line.rstrip(BLANKS)
        if line.startswith(b"#"):
            return
        address, colon, instructions = line.partition(b":")
        if not colon:
            # COMPAT: a line without a colon is no error; the original passes over it.
            return
        try:
            if instructions.startswith(VERDICTS):
                found = _expand(address)
            else:
                address, instructions = _split_ip6(line)
                found = [_ip6_key(address)]
            data = self._encode(instructions)
        except ValueError:
            # COMPAT: the original shows the line up to its first NUL.
            raise BadRule(line.partition(b"\0")[0]) from None
        for key in found:
            network = networks.length_in(key) if b"/" in key else None
            if network is not None:
                self._lengths[network[0]].add(network[1])
            self._add(key, data)

    def _encode(self, instructions: bytes) -> bytes:
        data = self._known.get(instructions)
        if data is None:
            data = encode(instructions)
            if len(self._known) < KNOWN_MAX and len(instructions) <= KNOWN_BYTES:
                self._known[instructions] = data
        return data

    def finish(self) -> None:
        """Add what a look-up has to know about all records."""
        for bits, key in LENGTHS_KEYS:
            lengths = sorted(self._lengths[bits], reverse=True)
            if lengths:
                self._add(key, bytes(lengths))


def encode(instructions: bytes) -> bytes:
    """``deny`` or ``allow``, then ``,NAME=qVALUEq`` items with any quoting byte q."""
    if instructions.startswith(b"deny"):
        data, rest = b"D\0", instructions[4:]
    elif instructions.startswith(b"allow"):
        data, rest = b"", instructions[5:]
    else:
        raise ValueError
    while rest:
        equals = rest.index(b"=")
        if not rest.startswith(b","):
            raise ValueError
        quote = rest[equals + 1 : equals + 2]
        if not quote:
            raise ValueError
        end = rest.index(quote, equals + 2)
        data += b"+%b%b\0" % (rest[1 : equals + 1], rest[equals + 2 : end])
        rest = rest[end + 1 :]
    return data


def _expand(address: bytes) -> list[bytes]:
    """``1.2.3.37-53`` is 17 addresses; names and ``info@`` addresses have no ranges."""
    if b"=" in address or b"@" in address:
        return [address]
    dash = address.find(b"-")
    if dash < 0:
        return [_ip4_key(address)]
    left = address.rfind(b".", 0, dash) + 1
    right = address.find(b".", dash)
    if right < 0:
        right = len(address)
    low = _number(address[left:dash])
    high = min(_number(address[dash + 1 : right]), HIGHEST_BYTE)
    head, tail = address[:left], address[right:]
    return [_ip4_key(b"%b%d%b" % (head, n, tail)) for n in range(low, high + 1)]


def _ip4_key(address: bytes) -> bytes:
    # COMPAT: to the original 10.1.0.0/16 is an address like any other, which no client
    # has; here it is a network. What only has a slash in it stays such an address.
    return (b"/" in address and networks.ip4_name(address)) or address


def _number(text: bytes) -> int:
    # COMPAT: nothing counts as 0, and a NUL ends the number, as in the original.
    digits = text.partition(b"\0")[0]
    if not digits:
        return 0
    if not digits.isdigit():
        raise ValueError
    # 10**64 is a multiple of 2**64: the digits before the last 64 do not count.
    return int(digits[-64:]) % 2**64


def _split_ip6(line: bytes) -> tuple[bytes, bytes]:
    """Address and instructions: they part at the first colon before a verdict."""
    ends = [at for verdict in VERDICTS if (at := line.find(b":" + verdict)) >= 0]
    if not ends:
        raise ValueError
    return line[: min(ends)], line[min(ends) + 1 :]


def _ip6_key(address: bytes) -> bytes:
    """The key of ``2001:DB8::/32``, ``[2001:db8::]/32``, ``info@2001:db8::1``."""
    info, at, ip = address.rpartition(b"@")
    key = networks.ip6_name(ip)
    if at and (b":" in info or networks.length_in(key) is not None):
        # COMPAT: the original knows no info for a part of the network either.
        raise ValueError
    return info + at + key


def keys(
    get: Get, ip: bytes, host: bytes | None, info: bytes | None
) -> Iterator[bytes]:
    """The addresses under which a client's rule may stand, the first match first.

    Of networks only those of the lengths that ``get`` has are among them.
    """
    packed = networks.parse(ip.partition(b"%")[0]) if b":" in ip else None
    if packed is not None:
        ip = networks.name(packed, 8 * len(packed))
    if info is not None:
        yield info + b"@" + ip
        if host is not None:
            yield info + b"@=" + host
    yield ip
    if host is not None:
        yield b"=" + host
    yield from _networks_around(get, ip)
    if host is not None:
        dot = host.find(b".")
        while dot >= 0:
            yield b"=" + host[dot:]
            dot = host.find(b".", dot + 1)
        yield b"="
    yield b""


def _networks_around(get: Get, ip: bytes) -> Iterator[bytes]:
    """The names of networks that hold ``ip``, the narrowest first."""
    lengths = get(b":6" if b":" in ip else b":4")
    packed = networks.parse(ip) if lengths is not None else None
    if lengths is not None and packed is not None:
        bits = 8 * len(packed)
        occurring = {length for length in lengths if length <= bits}
        if bits == networks.IP4_BITS:
            occurring.update(DOTTED_LENGTHS)
        for length in sorted(occurring, reverse=True):
            yield networks.name(packed, length)
        return
    end = len(ip)
    while (dot := ip.rfind(b".", 0, end)) >= 0:
        yield ip[: dot + 1]
        end = dot


def look_up(
    get: Get, ip: bytes, host: bytes | None, info: bytes | None
) -> tuple[bytes, bytes] | None:
    """The first key that ``get`` has data for, and the data; None without a rule.

    ``ip`` is the text of an address of either family.
    """
    for key in keys(get, ip, host, info):
        data = get(key)
        if data is not None:
            return key, data
    return None


def decode(data: bytes) -> tuple[bool, list[tuple[bytes, bytes]]]:
    """A record's data: is the client denied, and which variables are set, in order."""
    denied = False
    variables = []
    for item in data.split(b"\0")[:-1]:
        if item.startswith(b"D"):
            denied = True
        elif item.startswith(b"+"):
            name, equals, value = item[1:].partition(b"=")
            if equals:
                variables.append((name, value))
    return denied, variables
