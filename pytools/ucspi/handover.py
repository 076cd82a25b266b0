"""Listening sockets that a parent has opened: ``fd:3``, ``fd:3,4``, or ``fd:``.

Rule         ``fd:`` without numbers means those of systemd: $LISTEN_FDS of them, from 3,
             if $LISTEN_PID is this process. Taken or not, the variables go.
Checked      each is a TCP socket, of either family, that listens.
Blocking     or not they are as they came: the flag belongs to the open file, which the
             parent shares. The server sets it, and takes it back at its end.
"""

from __future__ import annotations

import _socket
import fcntl
import posix

from pytools.base import fds
from pytools.base.options import scan_ulong
from pytools.ucspi.log import Log

PREFIX = b"fd:"
FIRST = 3
VARIABLES = (b"LISTEN_PID", b"LISTEN_FDS", b"LISTEN_FDNAMES", b"LISTEN_PIDFDID")
NUMBERS = b"0123456789,"
MOST = 1024


def is_handover(host: bytes) -> bool:
    """True for a host word that names descriptors (``fd::1`` is an address)."""
    return host.startswith(PREFIX) and not host[len(PREFIX) :].translate(None, NUMBERS)


def take(host: bytes, env: dict[bytes, bytes], log: Log) -> list[_socket.socket]:
    """The listening sockets; the variables are removed from ``env``. Exit."""
    words = host[len(PREFIX) :]
    if words:
        numbers = [_number(word, host, log) for word in words.split(b",")]
        if len(set(numbers)) != len(numbers):
            raise log.fatal(b"the same descriptor twice in ", host)
    else:
        numbers = _from_systemd(env, log)
    for name in VARIABLES:
        env.pop(name, None)
    return [_listener(fd, log) for fd in numbers]


def _number(word: bytes, host: bytes, log: Log) -> int:
    if not word or len(word) > 9:
        raise log.fatal(b"unable to understand ", host)
    return int(word)


def _from_systemd(env: dict[bytes, bytes], log: Log) -> list[int]:
    pid = env.get(b"LISTEN_PID", b"")
    number = env.get(b"LISTEN_FDS", b"")
    count, digits = scan_ulong(number)
    # systemd's own reader takes no number with something behind it either.
    is_number = digits == len(number) and 0 < count <= MOST
    if pid != b"%d" % posix.getpid() or not is_number:
        raise log.fatal(b"no sockets were handed over: see LISTEN_PID and LISTEN_FDS")
    return list(range(FIRST, FIRST + count))


def _listener(fd: int, log: Log) -> _socket.socket:
    """The socket object of an inherited descriptor, close-on-exec."""
    moved = fd
    try:
        if fd < FIRST:
            # These numbers are closed, or the log's, when the server serves.
            moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST)
        listener = _socket.socket(fileno=moved)
    except OSError as error:
        raise log.fatal(b"unable to use descriptor %d" % fd, error=error) from None
    if not _is_ours(listener):
        listener.detach()
        raise log.fatal(b"descriptor %d is no listening TCP socket" % fd)
    fds.set_cloexec(moved)
    return listener


def _is_ours(listener: _socket.socket) -> bool:
    return (
        listener.family in (_socket.AF_INET, _socket.AF_INET6)
        and listener.type == _socket.SOCK_STREAM
        and bool(listener.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN))
    )
