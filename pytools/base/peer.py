"""The peer of a session, on descriptors 0 and 1: bounded waits, bundled writes.

What is sent is held back until the next read: a client that asks without waiting gets
its answers in few packets, and a client that waits has them before we wait for it.
"""

from __future__ import annotations

import posix
import select
import time

from pytools.base import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

CHUNK: Final = 32768
# What poll calls writable takes this much without blocking, socket or pipe.
WRITE_CHUNK: Final = 4096
GRACE_SECONDS: Final = 60


class Hangup(Exception):
    """The peer is gone."""


class OutOfTime(Exception):
    """The session has lasted for as long as it may."""


class Peer:
    """Descriptors 0 and 1 of a session that may last so many seconds."""

    __slots__ = ("_deadline", "_out", "_readable", "_writable")

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._out = bytearray()
        self._readable = select.poll()
        self._readable.register(0, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(1, select.POLLOUT)

    def send(self, data: bytes) -> None:
        """Send ``data`` before the next read. Raises Hangup, OutOfTime."""
        self._out += data
        if len(self._out) > WRITE_CHUNK:
            self.flush()

    def flush(self) -> None:
        """Send what was held back. Raises Hangup, OutOfTime."""
        while self._out:
            # An answer may be late because the queue took its time: it still goes out.
            self._wait(self._writable, max(self._left(), GRACE_SECONDS))
            try:
                sent = posix.write(1, self._out[:WRITE_CHUNK])
            except OSError:
                raise Hangup from None
            del self._out[:sent]

    def receive(self) -> bytes:
        """What the peer sent; b"" at its end. Raises Hangup, OutOfTime."""
        self.flush()
        left = self._left()
        if left <= 0:
            raise OutOfTime
        self._wait(self._readable, left)
        try:
            return posix.read(0, CHUNK)
        except OSError:
            raise Hangup from None

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _wait(self, poll: select.poll, seconds: float) -> None:
        # An interpreter that is out of memory can spin for ever: the alarm ends that.
        signals.alarm(int(seconds) + GRACE_SECONDS)
        if not poll.poll(seconds * 1000):
            raise OutOfTime
