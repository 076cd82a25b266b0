"""The addresses of this machine, as its network interfaces have them.

Asked        from the kernel by netlink(7), rtnetlink(7): the older SIOCGIFCONF wants a
             pointer, and what makes pointers in Python costs 5 ms at start.
"""

from __future__ import annotations

import _socket
import errno
import fcntl
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

# struct nlmsghdr: length, type, flags, sequence, port. struct ifaddrmsg: family, prefix
# length, flags, scope, interface. Then attributes: length, type, value.
_MESSAGE: Final = struct.Struct("=IHHII")
_ADDRESS: Final = struct.Struct("=BBBBI")
_ATTRIBUTE: Final = struct.Struct("=HH")
_GET_ADDRESSES: Final = 22
_NEW_ADDRESS: Final = 20
_ERROR: Final = 2
_DONE: Final = 3
_REQUEST_DUMP: Final = 0x301
_IFA_ADDRESS: Final = 1
_IFA_LOCAL: Final = 2
_AF_INET: Final = 2
_AF_INET6: Final = 10
_SIZES: Final = {_AF_INET: 4, _AF_INET6: 16}
_CHUNK: Final = 65536

_SIOCGIFFLAGS: Final = 0x8913
_IFF_UP: Final = 1
_IFREQ: Final = 40
_NAME: Final = 16

ANY: Final = b"\0\0\0\0"
"""RFC 1122 3.2.1.3: "this host on this network"."""
ANY6: Final = bytes(16)
"""RFC 4291 2.5.2: connecting to it leads here."""


def own_addresses() -> frozenset[bytes]:
    """The IPv4 addresses of all interfaces that are up, 4 bytes each, and 0.0.0.0."""
    return _own_addresses(_AF_INET) | {ANY}


def own_addresses6() -> frozenset[bytes]:
    """The IPv6 addresses of all interfaces that are up, 16 bytes each, and ``::``."""
    return _own_addresses(_AF_INET6) | {ANY6}


def _own_addresses(wanted: int) -> frozenset[bytes]:
    found: set[bytes] = set()
    up: dict[int, bool] = {}
    flags_socket = _socket.socket(_AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    try:
        for interface, address in _all_addresses(wanted):
            if interface not in up:
                up[interface] = _is_up(flags_socket.fileno(), interface)
            if up[interface]:
                found.add(address)
    finally:
        flags_socket.close()
    return frozenset(found)


def _all_addresses(wanted: int) -> Iterator[tuple[int, bytes]]:
    kind = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC
    netlink = _socket.socket(_socket.AF_NETLINK, kind)
    try:
        body = _ADDRESS.pack(wanted, 0, 0, 0, 0)
        size = _MESSAGE.size + len(body)
        head = _MESSAGE.pack(size, _GET_ADDRESSES, _REQUEST_DUMP, 1, 0)
        netlink.sendto(head + body, (0, 0))
        while True:
            for kind, body in messages(netlink.recv(_CHUNK)):
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    raise OSError(errno.EIO, "the kernel does not tell its addresses")
                if kind == _NEW_ADDRESS:
                    yield from _address(wanted, body)
    finally:
        netlink.close()


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of each netlink message in ``data``."""
    at = 0
    while at + _MESSAGE.size <= len(data):
        length, kind, _, _, _ = _MESSAGE.unpack_from(data, at)
        if length < _MESSAGE.size:
            raise OSError(errno.EPROTO, "malformed netlink message")
        yield kind, data[at + _MESSAGE.size : at + length]
        at += (length + 3) & ~3


def _address(wanted: int, body: bytes) -> Iterator[tuple[int, bytes]]:
    family, _, _, _, interface = _ADDRESS.unpack_from(body)
    if family != wanted:
        return
    values: dict[int, bytes] = {}
    at = _ADDRESS.size
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size:
            break
        values[kind] = body[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    # On a point-to-point link the plain address is the other end's.
    address = values.get(_IFA_LOCAL, values.get(_IFA_ADDRESS, b""))
    if len(address) == _SIZES[wanted]:
        yield interface, address


def _is_up(fd: int, interface: int) -> bool:
    try:
        name = _socket.if_indextoname(interface).encode()
        answer = fcntl.ioctl(fd, _SIOCGIFFLAGS, name.ljust(_IFREQ, b"\0"))
    except OSError:  # gone since
        return False
    flags: int = struct.unpack_from("H", answer, _NAME)[0]
    return bool(flags & _IFF_UP)
