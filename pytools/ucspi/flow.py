"""One direction of a copy that waits for nobody; the loops are copying's and relaying's.

Rule 1       the source is read only when all that was read before has been written.
Rule 2       nothing is written but what can be taken at once: of a pipe that polls as
             ready the kernel promises PIPE_BUF bytes, a socket is asked not to wait. So
             one side that does not read never holds up another direction.
"""

from __future__ import annotations

import _socket
import posix
import select

from pytools.base import fds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    See = Callable[[bytes], bytes]

PIECE = 4096
"""PIPE_BUF: a pipe that polls as writable takes so much without blocking."""
NOTHING = memoryview(b"")


class Flow:
    """One direction. ``see`` turns each block, and b"" at the end, into what to write.

    Over at the end of its source, when all that this gave is written; and when nobody
    takes it any more, unless ``reads_on``: then the rest is dropped.
    """

    __slots__ = (
        *("_at_end", "_is_socket", "_reads_on", "_rest", "_see", "over"),
        *("sink", "source"),
    )

    def __init__(
        self, source: int, sink: int, see: See = bytes, reads_on: bool = False
    ) -> None:
        self.source = source
        self.sink = sink
        self._see = see
        self._reads_on = reads_on
        self._is_socket = _is_socket(sink)
        self._rest = NOTHING
        self._at_end = False
        self.over = False

    def awaits(self) -> tuple[int, int]:
        """(descriptor, event) to poll for."""
        if self._rest:
            return self.sink, select.POLLOUT
        return self.source, select.POLLIN

    def step(self) -> None:
        """Read a block, or write a piece of it; the descriptor has polled as ready."""
        try:
            if self._rest:
                self._write()
            else:
                self._read()
        except BlockingIOError:
            # Somebody else reads or fills it too.
            return
        self.over = self._at_end and not self._rest

    def _read(self) -> None:
        try:
            block = posix.read(self.source, fds.BLOCK)
        except BlockingIOError:
            raise
        except OSError:
            # A connection that broke is at its end.
            block = b""
        self._at_end = not block
        self._rest = memoryview(self._see(block))

    def _write(self) -> None:
        try:
            self._rest = self._rest[self._write_some() :]
        except BlockingIOError:
            raise
        except OSError:
            self._rest = NOTHING
            self._at_end |= not self._reads_on

    def _write_some(self) -> int:
        if not self._is_socket:
            return posix.write(self.sink, self._rest[:PIECE])
        # With all the numbers given, it asks the kernel nothing.
        end = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, self.sink)
        try:
            return end.send(self._rest, _socket.MSG_DONTWAIT)
        finally:
            end.detach()


def _is_socket(fd: int) -> bool:
    try:
        return posix.fstat(fd).st_mode & 0o170000 == 0o140000
    except OSError:
        return False
