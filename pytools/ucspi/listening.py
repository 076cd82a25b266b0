"""The listening side of a TCP server: the addresses it takes, and the socket on them."""

from __future__ import annotations

import _socket

from pytools.base import ip
from pytools.base.options import scan_ulong
from pytools.base.services import port_by_name
from pytools.process import resolver
from pytools.process.child import in_child
from pytools.ucspi.log import Log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.ucspi.address import Address

PORTS = 65536
LITERAL = b"0123456789.[]"
ANY_IP6 = b"::"
BOTH = b"46"


def find_port(name: bytes, log: Log) -> int:
    """The number of a port given as a number or by name; Exit if there is none."""
    number, digits = scan_ulong(name)
    if digits == len(name):
        # COMPAT: the original cuts a number that is too large to 16 bits.
        return number % PORTS
    known = port_by_name(name)
    if known is None:
        raise log.fatal(b"unable to figure out port number for ", name)
    return known


def literal_ip4(host: bytes) -> bytes | None:
    """The bytes of an address written in digits; b"" if too few, None for a name.

    COMPAT: brackets are passed over and a number over 255 is cut to a byte, as in the
    original.
    """
    if host.translate(None, LITERAL):
        return None
    parts = host.translate(None, b"[]").split(b".")
    whole = bytes(int(part or b"0") & 255 for part in parts)
    return whole[:4] if len(whole) >= 4 else b""


def literal_ip6(host: bytes) -> tuple[bytes, int] | None:
    """(address, scope) of ``::1`` or ``fe80::1%eth0``, also in brackets; else None.

    An unknown interface is scope -1.
    """
    if host.startswith(b"[") and host.endswith(b"]"):
        host = host[1:-1]
    text, percent, interface = host.partition(b"%")
    packed = ip.parse_ip6(text)
    if packed is None:
        return None
    if not percent:
        return packed, 0
    try:
        return packed, _socket.if_nametoindex(interface.decode("latin-1"))
    except OSError:
        return packed, -1


def find_address(host: bytes, families: bytes, log: Log) -> Address:
    """The address to listen on, its port 0; Exit if there is none.

    A name's first IPv4 address comes before an IPv6 one. ``families``: which may be.

    COMPAT: of several, the first of the answer. The original shuffles them, but with a
    generator that it has not seeded: their number says which it takes.
    """
    found: Address | None = None
    literal = literal_ip6(host)
    if literal is not None:
        packed, scope = literal
        plain = ip.unmapped(packed)
        if len(plain) == 4 and b"4" in families:
            found = (ip.format_ip4(plain).decode("ascii"), 0)
        elif len(plain) == 16 and b"6" in families and scope >= 0:
            found = (ip.format_ip6(packed).decode("ascii"), 0, 0, scope)
    else:
        if b"4" in families:
            found = _find_ip4(host, log)
        if found is None and b"6" in families and literal_ip4(host) is None:
            names = _ask(host, b"6", log)
            found = (names[0].decode("ascii"), 0, 0, 0) if names else None
    if found is None:
        raise log.fatal(b"no IP address for ", host)
    return found


def _find_ip4(host: bytes, log: Log) -> Address | None:
    packed = literal_ip4(host)
    if packed is None:
        found = _ask(host, b"4", log)
        return (found[0].decode("ascii"), 0) if found else None
    return (ip.format_ip4(packed).decode("ascii"), 0) if packed else None


def _ask(host: bytes, family: bytes, log: Log) -> list[bytes]:
    """Ask the DNS in a child: this process stays as small as it is."""

    def work() -> bytes:
        try:
            if family == b"4":
                return b"\n".join([b"K", *resolver.qualified(host)])
            return b"\n".join([b"K", *resolver.qualified6(host)])
        except resolver.DnsPermanent:
            return b"K"
        except resolver.DnsTemporary as failure:
            return b"Z\n%d" % failure.number

    try:
        verdict, *found = in_child(work).split(b"\n")
        if verdict == b"Z":
            raise OSError(int(found[0]), "no answer")
    except OSError as error:
        raise log.fatal(
            b"temporarily unable to figure out IP address for ", host, error=error
        ) from None
    return found


def listen(
    address: Address, port: int, backlog: int, log: Log, families: bytes = BOTH
) -> _socket.socket:
    """A socket listening on that address, close-on-exec and non-blocking.

    On ``::`` it takes the clients of both families, unless only one is wanted.
    """
    is_ip6 = len(address) > 2
    family = _socket.AF_INET6 if is_ip6 else _socket.AF_INET
    try:
        listener = _socket.socket(family, _socket.SOCK_STREAM, 0)
    except OSError as error:
        raise log.fatal(b"unable to create socket", error=error) from None
    try:
        listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        if is_ip6:
            # Whatever the system's default is.
            only = int(families != BOTH or address[0] != ANY_IP6.decode())
            listener.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, only)
        listener.bind((address[0], port, *address[2:]))
    except OSError as error:
        raise log.fatal(b"unable to bind", error=error) from None
    try:
        listener.listen(backlog)
    except OSError as error:
        raise log.fatal(b"unable to listen", error=error) from None
    listener.setblocking(False)
    return listener
