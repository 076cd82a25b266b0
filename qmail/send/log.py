"""The activity record on descriptor 0; see qmail-log(5).

Lines are gathered and written together, once a turn of the loop and before every sleep:
a system call a line would cost more than the deliveries it tells of.

Nobody reads errors of the log: a record that cannot be written is dropped, as in the
original, because mail is worth more than its record.
"""

from __future__ import annotations

import posix
import select
import time

LOG_FD = 0
FLUSH_BYTES = 8192
PAUSE_SECONDS = 10

SAFE = bytes(
    b"/"[0] if c == 10 else c if 32 < c < 127 and c != b"%"[0] else b"_"[0]
    for c in range(256)
)
"""What text of strangers becomes in the record: LF is ``/``, other oddities ``_``."""


class Log:
    """The record, and the pauses that the original announces in it."""

    __slots__ = ("_fd", "_pending")

    def __init__(self, fd: int = LOG_FD) -> None:
        self._fd = fd
        self._pending = bytearray()

    def line(self, text: bytes) -> None:
        """Add a line."""
        self._pending += text
        self._pending += b"\n"
        if len(self._pending) >= FLUSH_BYTES:
            self.flush()

    def warning(self, text: bytes) -> None:
        """Something went wrong and will be tried again."""
        self.line(b"warning: " + text)

    def alert(self, text: bytes) -> None:
        """Something needs a person."""
        self.line(b"alert: " + text)
        self.flush()

    def flush(self) -> None:
        """Write what has been gathered; waits for a reader as the original does."""
        data = bytes(self._pending)
        self._pending.clear()
        try:
            while data:
                try:
                    data = data[posix.write(self._fd, data) :]
                except BlockingIOError:
                    # Somebody else's O_NONBLOCK on the file we share with him.
                    select.select([], [self._fd], [])
        except OSError:
            pass

    def pause(self) -> None:
        """Sleep as an alert has announced, with the record written."""
        self.flush()
        time.sleep(PAUSE_SECONDS)


def safe(text: bytes) -> bytes:
    """Text of strangers, made harmless for the record."""
    return text.translate(SAFE)
