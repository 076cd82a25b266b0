"""Copy two streams at once, without threads and without one waiting for the other.

Rule 1       a stream is read only when what was read before has been written.
Rule 2       nothing is written but what can be taken at once: of a pipe's room the
             kernel promises PIPE_BUF bytes, a socket is asked not to wait.
End          the first stream's: what it brought is written, then it is over, whatever
             the second has left; its target is the one that went away. The end of the
             second only stops the second.
"""

from __future__ import annotations

import _socket
import errno
import posix
import select

from pytools.base import fds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PIECE = 4096
"""PIPE_BUF: a pipe that is ready for writing takes this much without waiting."""
LATER = (errno.EAGAIN, errno.EINTR)


class Flow:
    """One direction: from a descriptor, through a change, to a descriptor."""

    __slots__ = ("_change", "_is_socket", "_pending", "_source", "_target", "is_over")

    def __init__(
        self, source: int, target: int, change: Callable[[bytes], bytes] | None = None
    ) -> None:
        self._source = source
        self._target = target
        self._change = change
        self._is_socket = _is_socket(target)
        self._pending = memoryview(b"")
        self.is_over = False

    def wanted(self) -> tuple[int, int]:
        """The descriptor to poll, and for what."""
        if self._pending:
            return self._target, select.POLLOUT
        return self._source, select.POLLIN

    def go_on(self) -> None:
        """Do what ``wanted`` waited for."""
        if self._pending:
            self._write()
        else:
            self._read()

    def _read(self) -> None:
        try:
            data = posix.read(self._source, fds.BLOCK)
        except OSError as error:
            # A connection that broke is at its end.
            self.is_over = error.errno not in LATER
            return
        self.is_over = not data
        self._pending = memoryview(self._change(data) if self._change else data)

    def _write(self) -> None:
        try:
            done = self._write_some(self._pending)
        except OSError as error:
            if error.errno in LATER:
                return
            # COMPAT: nobody takes it any more; the stream is still read to its end.
            done = len(self._pending)
        self._pending = self._pending[done:]

    def _write_some(self, data: memoryview) -> int:
        if not self._is_socket:
            return posix.write(self._target, data[:PIECE])
        connection = _socket.socket(fileno=self._target)
        try:
            return connection.send(data, _socket.MSG_DONTWAIT)
        finally:
            connection.detach()


def _is_socket(fd: int) -> bool:
    try:
        return posix.fstat(fd).st_mode & 0o170000 == 0o140000
    except OSError:
        return False


def relay(first: Flow, second: Flow) -> None:
    """Copy both until the first is at its end; they share no descriptor."""
    while not first.is_over:
        poll = select.poll()
        waiting: dict[int, Flow] = {}
        for flow in (first, second):
            if not flow.is_over:
                fd, event = flow.wanted()
                waiting[fd] = flow
                poll.register(fd, event)
        for fd, _ in poll.poll():
            waiting[fd].go_on()
