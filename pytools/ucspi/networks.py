"""Addresses and networks of both families, as the rules of tcpserver name them.

Format       a network's name: ``10.1.`` for the three lengths that end between two
             numbers, an address if it has but one, else ``10.16.0.0/12`` or
             ``2001:db8::/32``; no bit set beyond the length; IPv6 as in RFC 5952.
Rule         an IPv4 address in IPv6 clothes (``::ffff:1.2.3.4``) is that IPv4 address.
"""

from __future__ import annotations

from pytools.base import ip

IP4_BITS = 32
IP6_BITS = 128
MAPPED_LENGTH = IP6_BITS - IP4_BITS
NUMERIC = b"0123456789."


def parse(text: bytes) -> bytes | None:
    """The 4 or 16 bytes of an address; None if it is none."""
    packed = ip.parse(text)
    return None if packed is None else ip.unmapped(packed)


def name(address: bytes, length: int) -> bytes:
    """The name of the network of ``length`` bits around an address."""
    if length == 8 * len(address):
        return ip.format_ip(address)
    if len(address) == 4 and length and length % 8 == 0:
        return b"%d." * (length // 8) % tuple(address[: length // 8])
    return b"%b/%d" % (ip.format_ip(ip.prefix(address, length)), length)


def length_in(key: bytes) -> tuple[int, int] | None:
    """The family and length of a network, if ``key`` is a name that tells it."""
    address, slash, length = key.rpartition(b"/")
    if not slash or b"@" in key:
        return None
    if b":" in address:
        return IP6_BITS, int(length)
    if address.strip(NUMERIC) or not length.isdigit():
        return None
    return IP4_BITS, int(length)


def ip4_name(text: bytes) -> bytes | None:
    """``10.1.0.0/16``, or ``10.1./16``, as a name. ValueError if it is none.

    COMPAT: None where it does not even look so; then it is whatever it was before.
    """
    address, _, length = text.partition(b"/")
    if address.strip(NUMERIC) or length.strip(NUMERIC):
        return None
    parts = address.removesuffix(b".").split(b".")
    packed = parse(b".".join(parts + [b"0"] * (4 - len(parts))))
    if packed is None or address.count(b".") > 3:
        raise ValueError
    return name(packed, _length(length, IP4_BITS))


def ip6_name(text: bytes) -> bytes:
    """An IPv6 address, ``[...]`` or not; with ``/32``, or ``2001:db8:``, as a name.

    ValueError if it is nothing of that.
    """
    address, slash, given = text.partition(b"/")
    if address.startswith(b"[") and address.endswith(b"]"):
        address = address[1:-1]
    length = _length(given, IP6_BITS) if slash else IP6_BITS
    if not slash and address[-1:] == b":" != address and b"::" not in address:
        length = address.count(b":") * 16
        address += b":"
    packed = parse(address) if b":" in address else None
    if packed is None:
        raise ValueError
    if len(packed) == 4:
        length -= MAPPED_LENGTH
        if length < 0:
            # Half of it would be IPv4 and the other half nothing.
            raise ValueError
    return name(packed, length)


def _length(text: bytes, bits: int) -> int:
    if not text.isdigit() or len(text) > 3 or int(text) > bits:
        raise ValueError
    return int(text)
