"""The connecting side of TCP: to one address of several, each with its time.

Rounds       every address gets a short time first; those that said nothing in it get a
             long one when all have been tried. A single address gets both at once.
"""

from __future__ import annotations

import _socket
import errno
import posix
import select
import time

from pytools.ucspi.client_arguments import Arguments
from pytools.ucspi.hosts import family_of

LONGEST_POLL_MS = 2**31 - 1


def connect(found: list[str], arguments: Arguments) -> int | None:
    """A descriptor connected to one of the addresses; None if none can be reached.

    Says what fails. Exit when the local side cannot be had.
    """
    first, second = arguments.seconds
    if len(found) == 1:
        first, second = first + second, 0
    talk, port = arguments.talk, arguments.port
    silent = []
    for ip in found:
        try:
            return _connect(ip, first, arguments)
        except OSError as error:
            if second and error.errno == errno.ETIMEDOUT:
                silent.append(ip)
            else:
                talk.failed(ip.encode("latin-1"), port, error)
    for ip in silent:
        try:
            return _connect(ip, second, arguments)
        except OSError as error:
            talk.failed(ip.encode("latin-1"), port, error)
    return None


def _connect(ip: str, seconds: int, arguments: Arguments) -> int:
    """A descriptor connected to that address. OSError; Exit for trouble on our side."""
    connection = _open(ip, arguments)
    try:
        _wait_connected(connection, ip, seconds, arguments.port)
        connection.setblocking(True)
        return connection.detach()
    finally:
        connection.close()


def _open(ip: str, arguments: Arguments) -> _socket.socket:
    """A socket with the local address that was asked for."""
    talk, family = arguments.talk, family_of(ip)
    try:
        connection = _socket.socket(family, _socket.SOCK_STREAM, 0)
    except OSError as error:
        raise talk.fatal(b"unable to create socket", error=error) from None
    if arguments.local_ip or arguments.local_port:
        local = arguments.local_ip or (
            "::" if family == _socket.AF_INET6 else "0.0.0.0"
        )
        try:
            connection.bind((local, arguments.local_port))
        except OSError as error:
            connection.close()
            raise talk.fatal(b"unable to bind socket", error=error) from None
    return connection


def _wait_connected(
    connection: _socket.socket, ip: str, seconds: int, port: int
) -> None:
    """Connect within that time. OSError."""
    connection.setblocking(False)
    trouble = connection.connect_ex(_peer(ip, port))
    if trouble in (errno.EINPROGRESS, errno.EAGAIN):
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLOUT)
        if not _ready(poll, seconds):
            raise OSError(errno.ETIMEDOUT, "no answer in time")
        trouble = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
    if trouble:
        raise OSError(trouble, posix.strerror(trouble))


def _ready(poll: select.poll, seconds: int) -> bool:
    deadline = time.monotonic() + seconds
    left = float(seconds)
    while True:
        if poll.poll(min(left * 1000, LONGEST_POLL_MS)):
            return True
        left = deadline - time.monotonic()
        if left <= 0:
            return False


def _peer(ip: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """The socket address; one of IPv6 may name its interface. OSError if none has it."""
    address, percent, interface = ip.partition("%")
    if not percent:
        return ip, port
    return address, port, 0, _socket.if_nametoindex(interface)
