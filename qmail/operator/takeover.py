"""What an operator must know when ``make setup`` has taken over a running server.

Setup replaces the programs of the original by rename and touches neither control files
nor messages; what runs goes on with the programs that it began with. Two things need a
hand, and setup says so at its end.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator

from qmail.operator import hier
from qmail.operator.places import Places

LOCK_FLAGS = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def notices(places: Places) -> Iterator[str]:
    """What is to be done; nothing where the server was ours already, or is new."""
    is_old = is_locked(f"{places.home}/queue/lock/sendmutex") and not is_locked(
        f"{places.home}/run/queued.lock"
    )
    # With a scan directory svscan starts the queue server by itself.
    if is_old and not os.path.isdir(places.service):
        yield (
            "qmail-send has been running since before; no mail can be queued until it "
            "is restarted\n...try: end it (TERM), and start it as before"
        )
    if is_split_otherwise(f"{places.home}/queue/mess"):
        yield (
            f"the queue is not split by {hier.SPLIT}; what is in it would not be seen\n"
            "...try: stop qmail-send, then: pyqmail queue check --repair"
        )


def is_locked(path: str) -> bool:
    """True if somebody has a lock on the file."""
    try:
        fd = os.open(path, LOCK_FLAGS)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def is_split_otherwise(directory: str) -> bool:
    """True if there are more parts than ours."""
    return any(
        name.isdigit() and int(name) >= hier.SPLIT for name in os.listdir(directory)
    )
