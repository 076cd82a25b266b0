"""qmail-qstat: count the messages of the queue.

Contract     two lines on descriptor 1, which monitoring reads; 0, or 111 when the queue
             is out of reach. Runs as root, or with the group qmail.
"""

from __future__ import annotations

import posix

from pytools.base import fds, runtime
from pytools.base.exits import Strerr
from qmail.queue import layout


def main(argv: list[bytes]) -> int:
    log = Strerr(b"qmail-qstat")
    try:
        posix.chdir(runtime.home)
        posix.chdir(b"queue")
        messages = sum(_entries(b"mess/" + name) for name in posix.listdir(b"mess"))
        unprocessed = len(posix.listdir(layout.TODO_DIR))
    except OSError as error:
        raise log.fatal(b"unable to read the queue", error=error) from None
    text = (
        b"messages in queue: %d\nmessages in queue but not yet preprocessed: %d\n"
    ) % (messages, unprocessed)
    try:
        fds.write_all(1, text)
    except OSError as error:
        raise log.fatal(b"unable to write output", error=error) from None
    return 0


def _entries(path: bytes) -> int:
    try:
        return len(posix.listdir(path))
    except NotADirectoryError:
        return 0
