"""The trigger: a FIFO that wakes qmail-send when a message has been queued."""

from __future__ import annotations

import posix

from qmail.queue import layout


def pull_trigger() -> None:
    """Write one byte to lock/trigger, from the queue directory; failures do not matter.

    Assumes SIGPIPE is ignored: qmail-send may close the FIFO between open and write.
    """
    # O_NONBLOCK: without a reader the open fails at once, and the message is found at
    # the next start of qmail-send.
    try:
        fd = posix.open(
            layout.TRIGGER, posix.O_WRONLY | posix.O_NONBLOCK | posix.O_CLOEXEC
        )
    except OSError:
        return
    try:
        posix.write(fd, b"\0")
    except OSError:
        pass
    finally:
        posix.close(fd)
