"""The peer of a session, on descriptors 0 and 1: bounded waits, bundled writes.

What is sent is held back until the next read: a client that asks without waiting gets
its answers in few packets (RFC 2920 3.2), and one that waits has them before we wait.
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
    """The peer was silent, or the session has lasted, for as long as it may."""


class Peer:
    """Descriptors 0 and 1 of a session, in which no wait lasts longer than ``timeout``.

    Every wait sets the alarm a minute later than its own end, for an interpreter that is
    out of memory can spin for ever: SIGALRM, at its default action, ends that.
    """

    __slots__ = ("_out", "_readable", "_writable", "timeout")

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        """Seconds."""
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
        with memoryview(bytes(self._out)) as rest:
            self._out.clear()
            at = 0
            while at < len(rest):
                self._wait(self._writable, self._write_seconds())
                try:
                    at += posix.write(1, rest[at : at + WRITE_CHUNK])
                except OSError:
                    raise Hangup from None

    def receive(self) -> bytes:
        """What the peer sent; b"" at its end. Raises Hangup, OutOfTime."""
        self.flush()
        self._wait(self._readable, self._read_seconds())
        try:
            return posix.read(0, CHUNK)
        except OSError:
            raise Hangup from None

    def _read_seconds(self) -> float:
        return self.timeout

    def _write_seconds(self) -> float:
        return self.timeout

    def _wait(self, poll: select.poll, seconds: float) -> None:
        if seconds <= 0:
            raise OutOfTime
        signals.alarm(int(seconds) + GRACE_SECONDS)
        if not poll.poll(seconds * 1000):
            raise OutOfTime


class DeadlinePeer(Peer):
    """The peer of a session that may last ``seconds`` as a whole."""

    __slots__ = ("_deadline",)

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self._deadline = time.monotonic() + seconds

    def _read_seconds(self) -> float:
        return self._deadline - time.monotonic()

    def _write_seconds(self) -> float:
        # An answer may be late because the queue took its time: it still goes out.
        return max(self._read_seconds(), GRACE_SECONDS)
