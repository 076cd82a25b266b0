"""A connection's way from the acceptor of qmail-queued to one of its workers.

Both ends of a channel are SOCK_SEQPACKET sockets, so each record stays whole. The
acceptor sends a job: uid, pid, and the connection by SCM_RIGHTS; the worker sends DONE
when it is free again. End of file says that the other one has ended.
"""

from __future__ import annotations

import _socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

DONE: Final = b"+"

_JOB_SIZE: Final = 8
_FD_SIZE: Final = 4
_SPACE: Final = _socket.CMSG_SPACE(_FD_SIZE)
_CRED_SIZE: Final = 12


def channel() -> tuple[_socket.socket, _socket.socket]:
    """A new channel: the acceptor's end and the worker's end."""
    acceptor, worker = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    return acceptor, worker


def send_job(channel: _socket.socket, fd: int, uid: int, pid: int) -> None:
    """Hand the connection on; OSError when the worker has ended."""
    job = uid.to_bytes(4, "big") + pid.to_bytes(4, "big")
    rights = fd.to_bytes(_FD_SIZE, sys.byteorder)
    ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)]
    channel.sendmsg([job], ancillary, _socket.MSG_NOSIGNAL | _socket.MSG_DONTWAIT)


def receive_job(channel: _socket.socket) -> tuple[int, int, int] | None:
    """Wait for (connection, uid, pid); None when the acceptor has ended."""
    job, ancillary, _, _ = channel.recvmsg(_JOB_SIZE, _SPACE, _socket.MSG_CMSG_CLOEXEC)
    if not job:
        return None
    fd = int.from_bytes(ancillary[0][2], sys.byteorder)
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
