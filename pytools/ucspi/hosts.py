"""The addresses of a host that a client wants to reach.

IPv4 first   a host that has IPv4 addresses is reached by these, as ever; its IPv6
             addresses count when it has no other, or when they are asked for.
Order        that of a shuffle: of several servers each gets its share of the clients.
"""

from __future__ import annotations

import _socket
import posix

from pytools.base import ip
from pytools.base.options import scan_ulong
from pytools.process import resolver
from pytools.ucspi.qualifying import names_for

NUMERIC = b"0123456789.[]"


def addresses(host: bytes, family: int = 0) -> list[str]:
    """The addresses of ``host``, of both families or one; OSError, DnsTemporary.

    An address of IPv6 may have ``%interface`` behind it.
    """
    # COMPAT: an IPv4 address goes through the rules like any name; one of IPv6 has no
    # dot, and would get a domain.
    spelt = literals(host) if b":" in host else None
    for name in [host] if spelt else names_for(host):
        try:
            found = _addresses_of(name, family)
        except resolver.DnsPermanent:
            continue
        if found:
            return found
    return []


def literals(host: bytes) -> list[str] | None:
    """The addresses that ``host`` spells out; None if it is a name.

    COMPAT: brackets are passed over, a number is cut to a byte, eight numbers are two
    addresses, and one with fewer than four is none.
    """
    plain = host.translate(None, b"[]")
    if b":" in plain:
        return _literal6(plain)
    if host.translate(None, NUMERIC):
        return None
    numbers = [str(scan_ulong(part)[0] & 255) for part in plain.split(b".")]
    whole = len(numbers) // 4 * 4
    return [".".join(numbers[at : at + 4]) for at in range(0, whole, 4)]


def _literal6(text: bytes) -> list[str] | None:
    address, percent, interface = text.partition(b"%")
    packed = ip.parse_ip6(address)
    if packed is None:
        return None
    shown = ip.format_ip(ip.unmapped(packed)) + percent + interface
    return [shown.decode("latin-1")]


def family_of(address: str) -> int:
    """AF_INET or AF_INET6."""
    return int(_socket.AF_INET6 if ":" in address else _socket.AF_INET)


def _addresses_of(name: bytes, family: int) -> list[str]:
    """What the DNS says, in any order. DnsPermanent, DnsTemporary."""
    literal = literals(name)
    if literal is not None:
        return [each for each in literal if family in (0, family_of(each))]
    found: list[bytes] = []
    if family != _socket.AF_INET6:
        found = resolver.a(name)
    if not found and family != _socket.AF_INET:
        found = resolver.aaaa(name)
    return shuffled([each.decode("ascii") for each in found])


def shuffled(items: list[str]) -> list[str]:
    """The items in some order."""
    order = [(posix.urandom(4), item) for item in items]
    return [item for _, item in sorted(order)]
