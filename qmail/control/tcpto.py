"""Hosts that lately did not answer: the table that qmail-remote keeps for all its kind.

Format       64 records of 16 bytes: the IPv4 address, how many timeouts in a row, 3
             bytes of zero, the Unix time of the last one in 4 bytes little-endian,
             4 of zero. A record without timeouts is free.
Lock         flock, exclusive, on the file itself, for readers too.
Contract     the file is an opinion, not the truth: when it cannot be had, all hosts are
             thought to answer. Paths are relative to the qmail home directory.
"""

from __future__ import annotations

import posix
import time

from pytools.base.locks import lock_ex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PATH = b"queue/lock/tcpto"
RECORD_SIZE = 16
SIZE = 64 * RECORD_SIZE
SKIP_COUNT = 2
"""From so many timeouts in a row on, a host is left alone for a while."""
COUNT_MAX = 10
AGAIN_SECONDS = 120
"""Timeouts closer together than this count as one."""
_ZEROS = bytes(SIZE)


class Record:
    """One host's record, and where it stands in the table."""

    __slots__ = ("address", "count", "offset", "when")

    def __init__(self, offset: int, address: bytes, count: int, when: int) -> None:
        self.offset = offset
        self.address = address
        self.count = count
        self.when = when

    def pack(self) -> bytes:
        """The record's first 12 bytes, up to the last that means something."""
        return b"%b%c\0\0\0%b" % (
            self.address,
            self.count,
            (self.when & 0xFFFFFFFF).to_bytes(4, "little"),
        )


def records(table: bytes) -> list[Record]:
    """The whole records of a table."""
    return [
        Record(
            at,
            table[at : at + 4],
            table[at + 4],
            int.from_bytes(table[at + 8 : at + 12], "little"),
        )
        for at in range(0, len(table) - RECORD_SIZE + 1, RECORD_SIZE)
    ]


def find(table: bytes, ip4: bytes) -> Record | None:
    """The record of a host, or None."""
    for record in records(table):
        if record.address == ip4:
            return record
    return None


def is_skipped(table: bytes, ip4: bytes, now: int, pid: int) -> bool:
    """True while ``table`` says to leave the host alone, about an hour and a half."""
    record = find(table, ip4)
    if record is None or record.count < SKIP_COUNT:
        return False
    # A process number's worth of difference, so that not all come back at once.
    return now - record.when < (60 + (pid & 31)) * 64


def after_success(table: bytes, ip4: bytes) -> Record | None:
    """The record to be written when the host answered; None if none has to be."""
    record = find(table, ip4)
    if record is None or not record.count:
        return None
    record.count = 0
    return record


def after_timeout(table: bytes, ip4: bytes, now: int) -> Record | None:
    """The record to be written when the host did not answer; None if none has to be."""
    record = find(table, ip4)
    if record is not None:
        if record.count and now < record.when + AGAIN_SECONDS:
            return None
        record.count = min(record.count + 1, COUNT_MAX)
        record.when = now
        return record
    place: Record | None = None
    for other in records(table):
        if not other.count:
            place = other
            break
        # The longest silent goes; a timeout is worth 1024 seconds.
        if place is None or _worth(other) < _worth(place):
            place = other
    if place is None:
        return None
    return Record(place.offset, ip4, 1, now)


def _worth(record: Record) -> int:
    return record.when + (record.count << 10)


def read_table(fd: int) -> bytes:
    """Take the lock, and read all of the table from its descriptor."""
    lock_ex(fd)
    return posix.pread(fd, SIZE, 0)


def clear(path: bytes = PATH, *, lock: bool = True) -> None:
    """Forget all timeouts; OSError if that fails."""
    fd = posix.open(path, posix.O_WRONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    try:
        if lock:
            lock_ex(fd)
        posix.pwrite(fd, _ZEROS, 0)
    finally:
        posix.close(fd)


def is_timed_out(ip4: bytes, now: int, pid: int, path: bytes = PATH) -> bool:
    """True while the host is to be left alone."""
    try:
        fd = _open(path)
    except OSError:
        return False
    try:
        return is_skipped(read_table(fd), ip4, now, pid)
    except OSError:
        return False
    finally:
        posix.close(fd)


def note_success(ip4: bytes, path: bytes = PATH) -> None:
    """The host answered: its timeouts are forgotten."""
    _update(path, lambda table: after_success(table, ip4))


def note_timeout(ip4: bytes, now: int | None = None, path: bytes = PATH) -> None:
    """The host did not answer in time."""
    when = int(time.time()) if now is None else now
    _update(path, lambda table: after_timeout(table, ip4, when))


def _open(path: bytes) -> int:
    # COMPAT: opened for writing even to read, as the original does: who may not write
    # the table has no opinion, and nobody else can hold the lock.
    return posix.open(path, posix.O_RDWR | posix.O_NONBLOCK | posix.O_CLOEXEC)


def _update(path: bytes, change: Callable[[bytes], Record | None]) -> None:
    try:
        fd = _open(path)
    except OSError:
        return
    try:
        record = change(read_table(fd))
        if record is not None:
            posix.pwrite(fd, record.pack(), record.offset)
    except OSError:
        pass
    finally:
        posix.close(fd)
