"""tcpclient: connect to a TCP server and run a program with the connection.

Contract     argv: options, host, port, program. The program gets the connection as
             descriptors 6 (to read) and 7 (to write), and the environment of
             tcp-environ(5).
Exit         100 for bad usage; 111 when there is no connection or no program; else the
             program's own.
"""

from __future__ import annotations

import _socket
import posix

from pytools.base import fds, signals
from pytools.base.environment import edited, environ
from pytools.base.exits import TEMPORARY, Exit, Next
from pytools.process import resolver
from pytools.ucspi import address, client_arguments, ident
from pytools.ucspi.client_arguments import Arguments
from pytools.ucspi.connecting import connect
from pytools.ucspi.hosts import addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from pytools.ucspi.address import Address

READ, WRITE = 6, 7
NAMES = (
    *(b"LOCALIP", b"LOCALPORT", b"LOCALHOST"),
    *(b"REMOTEIP", b"REMOTEPORT", b"REMOTEHOST", b"REMOTEINFO"),
)
"""The variables of tcp-environ(5), without the TCP or TCP6 before them."""


def next_program(argv: list[bytes]) -> list[bytes] | None:
    """The program that would be run with the connection."""
    try:
        return client_arguments.parse(argv).program
    except Exit:
        return None


def main(argv: list[bytes]) -> int:
    """Connect, then become the program."""
    for fd in (READ, WRITE):
        try:
            posix.close(fd)
        except OSError:
            pass  # nothing was there
    # Neither an ident server nor one for names may end this process.
    signals.ignore(signals.SIGPIPE)
    args = client_arguments.parse(argv)
    connected = connect(_find(args), args)
    if connected is None:
        return TEMPORARY
    _run(connected, args)


def _find(args: Arguments) -> list[str]:
    """The addresses of the host; Exit if there are none."""
    talk = args.talk
    try:
        found = addresses(args.host, args.family)
    except (resolver.DnsTemporary, OSError) as trouble:
        if isinstance(trouble, OSError):
            error = trouble
        else:
            error = OSError(trouble.number, "no answer")
        raise talk.fatal(
            b"temporarily unable to figure out IP address for ", args.host, error=error
        ) from None
    if not found:
        raise talk.fatal(b"no IP address for ", args.host)
    return found


def _run(fd: int, args: Arguments) -> NoReturn:
    """Become the program, with everything that is known about the connection."""
    talk, program = args.talk, args.program
    local, remote = _ends(fd, args)
    local_ip, remote_ip = address.text(local), address.text(remote)
    known: dict[bytes, bytes | None] = dict.fromkeys(NAMES)
    known[b"LOCALIP"], known[b"LOCALPORT"] = local_ip, b"%d" % local[1]
    known[b"REMOTEIP"], known[b"REMOTEPORT"] = remote_ip, b"%d" % remote[1]
    known[b"LOCALHOST"] = args.local_host
    if args.local_host is None:
        known[b"LOCALHOST"] = _name_of(local_ip)
    talk.connected(remote_ip, remote[1])
    if args.look_up_host:
        known[b"REMOTEHOST"] = _name_of(remote_ip)
    if args.look_up_info:
        known[b"REMOTEINFO"] = ident.ask(local, remote, args.info_seconds)
    try:
        fds.arrange({READ: fd, WRITE: fd})
    except OSError as error:
        raise talk.fatal(b"unable to set up descriptor 6", error=error) from None
    signals.set_default(signals.SIGPIPE)
    raise Next(
        program,
        edited(environ, _variables(known, remote)),
        on_error=lambda error: talk.fatal(b"unable to run ", program[0], error=error),
    )


def _ends(fd: int, args: Arguments) -> tuple[Address, Address]:
    """The addresses and ports of both sides."""
    connection = _socket.socket(fileno=fd)
    try:
        if args.no_delay:
            try:
                connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            except OSError:
                pass  # only slower
        try:
            local = connection.getsockname()
        except OSError as error:
            raise args.talk.fatal(b"unable to get local address", error=error) from None
        try:
            remote = connection.getpeername()
        except OSError as error:
            raise args.talk.fatal(
                b"unable to get remote address", error=error
            ) from None
        return local, remote
    finally:
        connection.detach()


def _variables(
    known: dict[bytes, bytes | None], remote: Address
) -> dict[bytes, bytes | None]:
    """All of tcp-environ(5); None for what is to be unset."""
    found = address.variables(known, remote)
    found[b"TCPPROXYIP"] = found[b"TCPPROXYPORT"] = None
    return found


def _name_of(ip: bytes) -> bytes | None:
    """The DNS name of an address; None if nobody answers.

    COMPAT: empty, but set, for an address that has none.
    """
    try:
        names = resolver.ptr(ip)
    except resolver.DnsPermanent:
        return b""
    except resolver.DnsTemporary:
        return None
    return names[0] if names else b""
