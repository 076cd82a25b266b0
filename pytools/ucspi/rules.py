"""The rules by which tcpserver takes or drops a connection (pure).

Contract     text lines in, cdb records out, as tcprules(5) describes; and from the
             records and what is known of a client, back to a verdict.
Format       key: an address; data: ``D`` NUL when denied, then ``+NAME=value`` NUL for
             each variable, in order.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLANKS = b" \t\n"
HIGHEST_BYTE = 255


class BadRule(Exception):
    """A line that is no rule."""

    def __init__(self, line: bytes) -> None:
        super().__init__(line)
        self.line = line


def parse_line(line: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records of one line: none for a comment, several for a range. BadRule."""
    line = line.rstrip(BLANKS)
    if line.startswith(b"#"):
        return
    address, colon, instructions = line.partition(b":")
    if not colon:
        # COMPAT: a line without a colon is no error; the original passes over it.
        return
    try:
        data = _encode(instructions)
        addresses = _expand(address)
    except ValueError:
        # COMPAT: the original shows the line up to its first NUL.
        raise BadRule(line.partition(b"\0")[0]) from None
    for each in addresses:
        yield each, data


def _encode(instructions: bytes) -> bytes:
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
    dash = address.find(b"-")
    if dash < 0 or b"=" in address or b"@" in address:
        return [address]
    left = address.rfind(b".", 0, dash) + 1
    right = address.find(b".", dash)
    if right < 0:
        right = len(address)
    low = _number(address[left:dash])
    high = min(_number(address[dash + 1 : right]), HIGHEST_BYTE)
    head, tail = address[:left], address[right:]
    return [b"%b%d%b" % (head, n, tail) for n in range(low, high + 1)]


def _number(text: bytes) -> int:
    # COMPAT: nothing counts as 0, and a NUL ends the number, as in the original.
    digits = text.partition(b"\0")[0]
    if not digits:
        return 0
    if not digits.isdigit():
        raise ValueError
    return int(digits) % 2**64


def keys(ip: bytes, host: bytes | None, info: bytes | None) -> Iterator[bytes]:
    """The addresses under which a client's rule may stand, the first match first."""
    if info is not None:
        yield info + b"@" + ip
        if host is not None:
            yield info + b"@=" + host
    yield ip
    if host is not None:
        yield b"=" + host
    end = len(ip)
    while (dot := ip.rfind(b".", 0, end)) >= 0:
        yield ip[: dot + 1]
        end = dot
    if host is not None:
        dot = host.find(b".")
        while dot >= 0:
            yield b"=" + host[dot:]
            dot = host.find(b".", dot + 1)
        yield b"="
    yield b""


def look_up(
    get: Callable[[bytes], bytes | None],
    ip: bytes,
    host: bytes | None,
    info: bytes | None,
) -> tuple[bytes, bytes] | None:
    """The first key that ``get`` has data for, and the data; None without a rule."""
    for key in keys(ip, host, info):
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
