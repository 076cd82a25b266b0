"""The pipe by which a service tells its supervise that it is ready: s6's convention.

Convention   the file ``notification-fd`` names the descriptor that ./run gets; a line
             written there says "ready". What comes after it is thrown away: a service
             that goes on writing must not get a SIGPIPE for it.
"""

from __future__ import annotations

import posix
import select
import time

from pytools.base import fds


class Notice:
    """Our end of the pipe, in the loop's poll until it is closed."""

    __slots__ = ("_fd", "_poll", "is_over")

    def __init__(self, poll: select.poll, fd: int) -> None:
        self.is_over = False
        self._poll = poll
        self._fd = fd
        fds.set_nonblock(fd)
        poll.register(fd, select.POLLIN)

    def read(self) -> bool:
        """True if a line came; at the end of file it is over."""
        try:
            text = posix.read(self._fd, 512)
        except BlockingIOError:
            return False
        self.is_over = not text
        return b"\n" in text

    def comes_before(self, until: float) -> bool:
        """Wait for this pipe alone; True if there is something to read in time."""
        waiting = select.poll()
        waiting.register(self._fd, select.POLLIN)
        return bool(waiting.poll(max(0.0, until - time.monotonic()) * 1000))

    def close(self) -> None:
        """The process is gone, or has closed its end."""
        self._poll.unregister(self._fd)
        posix.close(self._fd)


def open_notice(poll: select.poll) -> tuple[int, Notice]:
    """The end that the service is to get, and ours."""
    read_end, write_end = fds.pipe()
    return write_end, Notice(poll, read_end)
