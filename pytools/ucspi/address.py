"""Socket addresses as the system gives them, and what they are called.

An address is what ``accept`` and ``getsockname`` give: (ip, port) for IPv4, and for IPv6
(ip, port, flow, scope), where scope is the number of the interface of a link-local
address. ``plain`` makes an IPv4 client of an IPv6 socket look like any IPv4 client.
"""

from __future__ import annotations

import _socket

from pytools.base import ip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

Address: TypeAlias = "tuple[str, int] | tuple[str, int, int, int]"
MAPPED = "::ffff:"


def plain(address: Address) -> Address:
    """The address, an IPv4 one always as such."""
    text = address[0]
    if text.startswith(MAPPED) and "." in text:
        return text[len(MAPPED) :], address[1]
    return address


def is_ip6(address: Address) -> bool:
    """True for an address of the IPv6 family."""
    return ":" in address[0]


def text(address: Address) -> bytes:
    """The IP address as text."""
    return address[0].encode("ascii")


def scope(address: Address) -> int:
    """The number of its interface; 0 unless the address is link-local."""
    return address[3] if len(address) == 4 else 0


def interface(address: Address) -> bytes:
    """The name of the interface of a link-local address; b"" for any other."""
    try:
        return (
            _socket.if_indextoname(scope(address)).encode() if scope(address) else b""
        )
    except OSError:
        return b""


def variables(
    known: dict[bytes, bytes | None], remote: Address
) -> dict[bytes, bytes | None]:
    """tcp-environ(5) of ``known``, by names without TCP; None for what is to be unset.

    COMPAT: the originals pass on what they got of TCP6...; a stale one would contradict
    the others.
    """
    ipv6 = is_ip6(remote)
    found: dict[bytes, bytes | None] = {b"PROTO": b"TCP6" if ipv6 else b"TCP"}
    for name, value in known.items():
        found[b"TCP" + name] = value
        found[b"TCP6" + name] = value if ipv6 else None
    found[b"TCP6INTERFACE"] = interface(remote) or None
    return found


def with_port(address: Address, port: int) -> Address:
    """The same IP address with another port."""
    return (address[0], port, *address[2:])


Network: TypeAlias = "tuple[bytes, int]"
"""(address, bits), as ``ip.parse_network`` gives it."""


def is_in(address: bytes, networks: list[Network]) -> bool:
    """Does an IP address, as text, belong to one of the networks?"""
    if not networks:
        return False
    packed = ip.parse(address)
    if packed is None:
        return False
    return any(
        len(packed) == len(start) and ip.prefix(packed, bits) == start
        for start, bits in networks
    )
