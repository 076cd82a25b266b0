"""A record and a descriptor with it, handed from a process to its relative.

Channel      a pair of SOCK_SEQPACKET sockets, so each record stays whole. End of file
             says that the other end has gone.
Descriptor   goes by SCM_RIGHTS; a receiver that has no number left for it gets the
             record without it, for the kernel has let go of the descriptor by then.
What a record says, and who may have the next one, is the callers' own.
"""

from __future__ import annotations

import _socket
import errno
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_FD_SIZE: Final = 4
_SPACE: Final = _socket.CMSG_SPACE(_FD_SIZE)


def channel() -> tuple[_socket.socket, _socket.socket]:
    """A new channel: the giver's end and the receiver's end. OSError."""
    giver, receiver = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    return giver, receiver


def end_of(fd: int) -> _socket.socket:
    """A socket object of one end; detach() it before the fd is closed."""
    # With all the numbers given, it asks the kernel nothing.
    return _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fd)


def send(end: _socket.socket, record: bytes, fd: int) -> None:
    """Hand the descriptor on, without waiting. OSError when the other end has gone."""
    rights = fd.to_bytes(_FD_SIZE, sys.byteorder)
    ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)]
    end.sendmsg([record], ancillary, _socket.MSG_NOSIGNAL | _socket.MSG_DONTWAIT)


def receive(end: _socket.socket, size: int) -> tuple[bytes, int]:
    """Wait for a record of at most ``size`` bytes; the descriptor is close-on-exec.

    (b"", -1) when the other end has gone. OSError; EMFILE when the record has come and
    its descriptor is lost.
    """
    record, ancillary, _, _ = end.recvmsg(size, _SPACE, _socket.MSG_CMSG_CLOEXEC)
    if not record:
        return b"", -1
    if not ancillary:
        raise OSError(errno.EMFILE, "no room for a descriptor")
    return record, int.from_bytes(ancillary[0][2], sys.byteorder)
