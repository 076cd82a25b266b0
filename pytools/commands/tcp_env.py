"""tcp-env: make the environment of tcp-environ(5) out of descriptor 0, under inetd.

Contract     tcp-env [-rR] [-ttimeout] program [arg ...]. With PROTO=TCP or TCP6 set, the
             environment is made already. 111 without a word when something fails: what
             inetd starts has the client at the other end of descriptor 2, too.
Where        it comes with qmail, whose bin directory it is installed in, and is made of
             what tcpserver is made of.
"""

from __future__ import annotations

import _socket

from pytools.base import options, signals
from pytools.base.environment import edited, environ
from pytools.base.exits import TEMPORARY, Exit, Next
from pytools.process import resolver
from pytools.ucspi import address, ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.ucspi.address import Address

SECONDS = 30
# COMPAT: a letter that is no option is ignored, as ever.
_LETTERS = bytes(byte for byte in range(1, 256) if byte not in b":t") + b"t:"


class Arguments:
    """What the command line asks for."""

    __slots__ = ("look_up_info", "program", "seconds")

    def __init__(self, words: list[bytes]) -> None:
        self.look_up_info = True
        self.seconds = SECONDS
        self.program: list[bytes] = []
        try:
            found, self.program = options.getopt(words, _LETTERS)
        except options.BadOption:
            return
        for letter, value in found:
            if letter in (b"r", b"R"):
                self.look_up_info = letter == b"r"
            elif letter == b"t":
                self.seconds = options.scan_ulong(value)[0]


def next_program(argv: list[bytes]) -> list[bytes]:
    """The program that will be run."""
    return Arguments(argv[1:]).program


def main(argv: list[bytes]) -> int:
    """Learn what there is to know of the connection; become the program."""
    args = Arguments(argv[1:])
    if not args.program:
        return TEMPORARY
    env = environ
    # COMPAT: the original looks again at what tcpserver -6 has made.
    if environ.get(b"PROTO") not in (b"TCP", b"TCP6"):
        # An ident server must not end this process.
        signals.ignore(signals.SIGPIPE)
        local, remote = _ends()
        info = None
        if args.look_up_info:
            info = ident.ask(local, remote, args.seconds)
        env = edited(environ, variables(local, remote, info))
    signals.set_default(signals.SIGPIPE)
    raise Next(args.program, env, on_error=lambda error: Exit(TEMPORARY), execvp=True)


def _ends() -> tuple[Address, Address]:
    """The addresses of both sides of the connection of descriptor 0."""
    try:
        connection = _socket.socket(fileno=0)
    except OSError:
        raise Exit(TEMPORARY) from None
    try:
        # COMPAT: for the original a socket of another family has the address 0.0.0.0.
        if connection.family not in (_socket.AF_INET, _socket.AF_INET6):
            raise Exit(TEMPORARY)
        local, remote = connection.getsockname(), connection.getpeername()
    except OSError:
        raise Exit(TEMPORARY) from None
    finally:
        connection.detach()
    return address.plain(local), address.plain(remote)


def variables(
    local: Address, remote: Address, info: bytes | None
) -> dict[bytes, bytes | None]:
    """All of tcp-environ(5); None for what is to be unset."""
    known = {
        b"LOCALIP": address.text(local),
        b"LOCALPORT": b"%d" % local[1],
        b"LOCALHOST": _name_of(address.text(local)),
        b"REMOTEIP": address.text(remote),
        b"REMOTEPORT": b"%d" % remote[1],
        b"REMOTEHOST": _name_of(address.text(remote)),
        b"REMOTEINFO": info,
    }
    return address.variables(known, remote)


def _name_of(ip: bytes) -> bytes | None:
    """The name of an address; None if it has none."""
    try:
        names = resolver.ptr(ip)
    except resolver.DnsTemporary:
        return b"softdnserror"
    except resolver.DnsPermanent:
        return None
    return names[0].lower() if names else None
