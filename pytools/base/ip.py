"""IP addresses of both families between their text and their bytes (pure).

An address is 4 or 16 bytes. Text is dotted decimal, or that of RFC 5952: lower case, no
zeros in front, the longest run of zero groups (the first of equals, two at least) as
``::``. A system that speaks both families shows an IPv4 client on an IPv6 socket as
``::ffff:192.0.2.1``; ``unmapped`` takes that back.
"""

from __future__ import annotations

MAPPED = bytes(10) + b"\xff\xff"
"""What an IPv4 address has in front of it where it stands as an IPv6 one."""
GROUPS = 8
GROUP_DIGITS = 4
HEX = b"0123456789abcdefABCDEF"
TAG = b"ipv6:"
"""What an IPv6 address has in front of it in a literal, in any case."""


def parse_ip4(text: bytes) -> bytes | None:
    """The 4 bytes of dotted-decimal ``text``, or None if it is not exactly that."""
    parts = text.split(b".")
    if len(parts) != 4:
        return None
    if not all(part.isdigit() and len(part) <= 3 and int(part) < 256 for part in parts):
        return None
    return bytes(int(part) for part in parts)


def format_ip4(address: bytes) -> bytes:
    """Dotted decimal of 4 bytes."""
    return b"%d.%d.%d.%d" % tuple(address)


def parse_ip6(text: bytes) -> bytes | None:
    """The 16 bytes of an IPv6 address in any of its spellings; None if it is none."""
    head, double, tail = text.partition(b"::")
    if not double:
        whole = _groups(text, ends=True)
        return whole if whole is not None and len(whole) == 2 * GROUPS else None
    first = _groups(head, ends=False) if head else b""
    last = _groups(tail, ends=True) if tail else b""
    if first is None or last is None:
        return None
    missing = 2 * GROUPS - len(first) - len(last)
    # "::" stands for one group at least (RFC 4291).
    return first + bytes(missing) + last if missing >= 2 else None


def _groups(text: bytes, ends: bool) -> bytes | None:
    """The bytes of groups with single colons; IPv4 may stand where the address ends."""
    parts = text.split(b":")
    found = b""
    if ends and b"." in parts[-1]:
        ip4 = parse_ip4(parts.pop())
        if ip4 is None:
            return None
        found = ip4
    packed = bytearray()
    for part in parts:
        if not 1 <= len(part) <= GROUP_DIGITS or part.translate(None, HEX):
            return None
        packed += int(part, 16).to_bytes(2, "big")
    return bytes(packed) + found


def format_ip6(address: bytes) -> bytes:
    """The text of 16 bytes as RFC 5952 has it."""
    if address.startswith(MAPPED):
        return b"::ffff:" + format_ip4(address[len(MAPPED) :])
    groups = [int.from_bytes(address[at : at + 2], "big") for at in range(0, 16, 2)]
    start, length = _longest_zeros(groups)
    if length < 2:
        return b":".join(b"%x" % group for group in groups)
    before = b":".join(b"%x" % group for group in groups[:start])
    after = b":".join(b"%x" % group for group in groups[start + length :])
    return before + b"::" + after


def _longest_zeros(groups: list[int]) -> tuple[int, int]:
    """(where, how many) of the longest run of zeros, the first of equals."""
    best = (0, 0)
    length = 0
    for at, group in enumerate(groups):
        length = 0 if group else length + 1
        if length > best[1]:
            best = (at - length + 1, length)
    return best


def parse(text: bytes) -> bytes | None:
    """The 4 or 16 bytes of an address of either family; None if it is none."""
    return parse_ip6(text) if b":" in text else parse_ip4(text)


def format_ip(address: bytes) -> bytes:
    """The text of 4 or 16 bytes."""
    return format_ip4(address) if len(address) == 4 else format_ip6(address)


def unmapped(address: bytes) -> bytes:
    """The 4 bytes of an IPv4 address that stands as an IPv6 one; others as they are."""
    if len(address) == 16 and address.startswith(MAPPED):
        return address[len(MAPPED) :]
    return address


def parse_literal(text: bytes) -> bytes | None:
    """The 4 or 16 bytes of an address in the place of a host name (RFC 5321 4.1.3).

    ``[192.0.2.1]`` or ``[IPv6:2001:db8::1]``; None if it is neither.
    """
    if not (text.startswith(b"[") and text.endswith(b"]")):
        return None
    text = text[1:-1]
    if text[: len(TAG)].lower() != TAG:
        return parse_ip4(text)
    address = parse_ip6(text[len(TAG) :])
    return None if address is None else unmapped(address)


def parse_network(text: bytes) -> tuple[bytes, int] | None:
    """(address, bits) of ``192.0.2.0/24``, ``2001:db8::/32`` or a single address.

    None if it is none, or if bits are set behind the prefix.
    """
    address, slash, length = text.partition(b"/")
    packed = parse(address)
    if packed is None:
        return None
    bits = 8 * len(packed)
    if slash:
        if not length.isdigit() or len(length) > 3 or int(length) > bits:
            return None
        bits = int(length)
    if prefix(packed, bits) != packed:
        return None
    plain = unmapped(packed)
    if len(plain) != len(packed):
        # It is one of IPv4, which is what its clients appear as.
        return (plain, bits - 96) if bits >= 96 else None
    return packed, bits


def prefix(address: bytes, bits: int) -> bytes:
    """The address with all behind its first ``bits`` set to zero."""
    size = 8 * len(address)
    mask = (1 << size) - (1 << (size - bits))
    return (int.from_bytes(address, "big") & mask).to_bytes(len(address), "big")
