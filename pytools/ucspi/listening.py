"""The listening side of a TCP server: the address it takes, and the socket on it."""

from __future__ import annotations

import _socket
import errno

from pytools.base.options import scan_ulong
from pytools.base.services import port_by_name
from pytools.process import resolver
from pytools.process.child import in_child
from pytools.ucspi.log import Log

PORTS = 65536
LITERAL = b"0123456789.[]"


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


def find_ip4(host: bytes, log: Log) -> bytes:
    """The first IPv4 address of a host, in dotted decimal; Exit if there is none."""
    packed = literal_ip4(host)
    if packed is not None:
        found = [b"%d.%d.%d.%d" % tuple(packed)] if packed else []
    else:
        found = _ask(host, log)
    if not found:
        raise log.fatal(b"no IP address for ", host)
    return found[0]


def _ask(host: bytes, log: Log) -> list[bytes]:
    """Ask the DNS in a child: this process stays as small as it is."""

    def work() -> bytes:
        try:
            return b"\n".join([b"K", *resolver.qualified(host)])
        except resolver.DnsPermanent:
            return b"K"
        except resolver.DnsTemporary:
            return b"Z"

    try:
        answer = in_child(work)
        if answer == b"Z":
            raise OSError(errno.ETIMEDOUT, "no answer")
    except OSError as error:
        raise log.fatal(
            b"temporarily unable to figure out IP address for ", host, error=error
        ) from None
    return answer.split(b"\n")[1:]


def listen4(ip: bytes, port: int, backlog: int, log: Log) -> _socket.socket:
    """A socket listening on that address, close-on-exec and non-blocking."""
    try:
        listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0)
    except OSError as error:
        raise log.fatal(b"unable to create socket", error=error) from None
    try:
        listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        listener.bind((ip.decode("ascii"), port))
    except OSError as error:
        raise log.fatal(b"unable to bind", error=error) from None
    try:
        listener.listen(backlog)
    except OSError as error:
        raise log.fatal(b"unable to listen", error=error) from None
    listener.setblocking(False)
    return listener
