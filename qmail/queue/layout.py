"""Where the queue keeps what: paths relative to the queue directory.

States       a message N is the set of its files mess/N ... bounce/N; states.py.
Assumes      the number N is the inode of mess/N, so that no two messages share it.
COMPAT: the split of 23 and every name are those of the original, so that a queue can
move from netqmail to here and back with mail in it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

SPLIT: Final = 23
QUEUE: Final = b"queue"

PID_DIR: Final = b"pid"
INTD_DIR: Final = b"intd"
TODO_DIR: Final = b"todo"
BOUNCE_DIR: Final = b"bounce"

LOCK: Final = b"lock/sendmutex"
TRIGGER: Final = b"lock/trigger"

# Relative to the home, not to the queue: they exist only while a server runs.
SOCKET: Final = b"run/queued"
SOCKET_NEW: Final = b"run/queued.new"
SERVER_LOCK: Final = b"run/queued.lock"

SPLIT_KINDS: Final = (b"mess", b"info", b"local", b"remote")


def split(n: int) -> int:
    return n % SPLIT


def mess_dir(n: int) -> bytes:
    return b"mess/%d" % (n % SPLIT)


def mess(n: int) -> bytes:
    return b"mess/%d/%d" % (n % SPLIT, n)


def info(n: int) -> bytes:
    return b"info/%d/%d" % (n % SPLIT, n)


def local(n: int) -> bytes:
    return b"local/%d/%d" % (n % SPLIT, n)


def remote(n: int) -> bytes:
    return b"remote/%d/%d" % (n % SPLIT, n)


def intd(n: int) -> bytes:
    return b"intd/%d" % n


def todo(n: int) -> bytes:
    return b"todo/%d" % n


def bounce(n: int) -> bytes:
    return b"bounce/%d" % n


def foop(n: int) -> bytes:
    """Name what qmail-clean is to remove; no such file exists."""
    return b"foop/%d" % n


def number(name: bytes) -> int | None:
    """Give the message number that a file name of the queue stands for."""
    # isdigit on bytes is true for ASCII digits only, and false for b"".
    return int(name) if name.isdigit() else None


# INVARIANT: whoever writes a message gives up long before the cleaner takes its files
# for orphans, so the cleaner never removes what somebody still writes.
WRITER_SECONDS: Final = 24 * 3600
OSSIFIED_SECONDS: Final = 36 * 3600
assert WRITER_SECONDS < OSSIFIED_SECONDS
