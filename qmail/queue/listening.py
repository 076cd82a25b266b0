"""How qmail-queued becomes the one server of its home: the lock, then the socket.

Files        run/queued.lock (flock), run/queued (mode 0666), both below the home, which
             is the working directory. run/ belongs to the user that the server runs as.
"""

from __future__ import annotations

import _socket
import posix

from pytools.base import locks
from qmail.queue import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_BACKLOG: Final = 4096
_SOCKET_MODE: Final = 0o666


def take_lock(wait: bool) -> int:
    """The descriptor that holds the lock; BlockingIOError if another server has it."""
    fd = posix.open(
        layout.SERVER_LOCK,
        posix.O_WRONLY | posix.O_CREAT | posix.O_NONBLOCK | posix.O_CLOEXEC,
        0o600,
    )
    try:
        if wait:
            locks.lock_ex(fd)
        else:
            locks.lock_ex_nb(fd)
    except OSError:
        posix.close(fd)
        raise
    return fd


def listen() -> _socket.socket:
    """The listening socket, under its name; only who holds the lock may call this."""
    try:
        posix.unlink(layout.SOCKET_NEW)
    except FileNotFoundError:
        pass
    socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    socket.bind(layout.SOCKET_NEW)
    posix.chmod(layout.SOCKET_NEW, _SOCKET_MODE)
    socket.listen(_BACKLOG)
    socket.setblocking(False)
    # Renamed only now, so that whoever finds the name finds a server behind it.
    posix.rename(layout.SOCKET_NEW, layout.SOCKET)
    return socket
