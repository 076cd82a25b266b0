"""A connection's way from the acceptor of qmail-queued to one of its workers.

On a channel (pytools/process/handing.py) the acceptor sends a job: uid and number, with
the connection; the worker sends DONE when it is free again. End of file says that the
other one has ended.
"""

from __future__ import annotations

import _socket
import sys

from pytools.process import handing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

DONE: Final = b"+"

_JOB_SIZE: Final = 8
_CRED_SIZE: Final = 12


def send_job(channel: _socket.socket, fd: int, uid: int, number: int) -> None:
    """Hand the connection on; OSError when the worker has ended."""
    job = uid.to_bytes(4, "big") + number.to_bytes(4, "big")
    handing.send(channel, job, fd)


def receive_job(channel: _socket.socket) -> tuple[int, int, int] | None:
    """Wait for (connection, uid, number of the message); None when the acceptor has ended.

    OSError when no number was left for the connection: its caller is hung up on.
    """
    job, fd = handing.receive(channel, _JOB_SIZE)
    if not job:
        return None
    return fd, int.from_bytes(job[:4], "big"), int.from_bytes(job[4:], "big")


def adopt(fd: int) -> _socket.socket:
    """A socket object of the connection; detach() it before the fd is closed."""
    # With all the numbers given, it asks the kernel nothing.
    return _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, fd)


def credentials(fd: int) -> tuple[int, int]:
    """(uid, pid) of whoever connected, as the kernel noted it then."""
    socket = adopt(fd)
    try:
        packed = socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, _CRED_SIZE)
    finally:
        socket.detach()
    order = sys.byteorder
    return int.from_bytes(packed[4:8], order), int.from_bytes(packed[:4], order)
