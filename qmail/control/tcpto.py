"""Hosts that lately did not answer: the table that qmail-remote keeps for all its kind.

Format       64 records of 16 bytes: the IPv4 address, how many timeouts in a row, 3
             bytes of zero, the Unix time of the last one in 4 bytes little-endian,
             4 of zero. A record without timeouts is free.
IPv6         has no room in that. A second file has 64 records of 28 bytes, the same but
             for the address of 16; the original knows nothing of it.
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
PATH6 = b"queue/lock/tcpto6"
RECORDS = 64
IP4_BYTES = 4
IP6_BYTES = 16
REST_BYTES = 12
"""A record without its address."""
SIZE = RECORDS * (IP4_BYTES + REST_BYTES)
SIZE6 = RECORDS * (IP6_BYTES + REST_BYTES)
SKIP_COUNT = 2
"""From so many timeouts in a row on, a host is left alone for a while."""
COUNT_MAX = 10
AGAIN_SECONDS = 120
"""Timeouts closer together than this count as one."""


class Record:
    """One host's record, and where it stands in the table."""

    __slots__ = ("address", "count", "offset", "when")

    def __init__(self, offset: int, address: bytes, count: int, when: int) -> None:
        self.offset = offset
        self.address = address
        self.count = count
        self.when = when

    def pack(self) -> bytes:
        """The record's bytes, up to the last that means something."""
        return b"%b%c\0\0\0%b" % (
            self.address,
            self.count,
            (self.when & 0xFFFFFFFF).to_bytes(4, "little"),
        )


def records(table: bytes, width: int = IP4_BYTES) -> list[Record]:
    """The whole records of a table, whose addresses have ``width`` bytes."""
    size = width + REST_BYTES
    return [
        Record(
            at,
            table[at : at + width],
            table[at + width],
            int.from_bytes(table[at + width + 4 : at + width + 8], "little"),
        )
        for at in range(0, len(table) - size + 1, size)
    ]


def find(table: bytes, ip: bytes) -> Record | None:
    """The record of a host, or None."""
    for record in records(table, len(ip)):
        if record.address == ip:
            return record
    return None


def is_skipped(table: bytes, ip: bytes, now: int, pid: int) -> bool:
    """True while ``table`` says to leave the host alone, about an hour and a half."""
    record = find(table, ip)
    if record is None or record.count < SKIP_COUNT:
        return False
    # A process number's worth of difference, so that not all come back at once.
    return now - record.when < (60 + (pid & 31)) * 64


def after_success(table: bytes, ip: bytes) -> Record | None:
    """The record to be written when the host answered; None if none has to be."""
    record = find(table, ip)
    if record is None or not record.count:
        return None
    record.count = 0
    return record


def after_timeout(table: bytes, ip: bytes, now: int) -> Record | None:
    """The record to be written when the host did not answer; None if none has to be."""
    record = find(table, ip)
    if record is not None:
        if record.count and now < record.when + AGAIN_SECONDS:
            return None
        record.count = min(record.count + 1, COUNT_MAX)
        record.when = now
        return record
    place: Record | None = None
    for other in records(table, len(ip)):
        if not other.count:
            place = other
            break
        # The longest silent goes; a timeout is worth 1024 seconds.
        if place is None or _worth(other) < _worth(place):
            place = other
    if place is None:
        return None
    return Record(place.offset, ip, 1, now)


def _worth(record: Record) -> int:
    return record.when + (record.count << 10)


def path_of(ip: bytes) -> bytes:
    """The table for hosts of that family."""
    return PATH if len(ip) == IP4_BYTES else PATH6


def read_table(fd: int, width: int = IP4_BYTES) -> bytes:
    """Take the lock, and read all of a table from its descriptor."""
    lock_ex(fd)
    return posix.pread(fd, RECORDS * (width + REST_BYTES), 0)


def clear(path: bytes = PATH, *, lock: bool = True, size: int = SIZE) -> None:
    """Forget all timeouts in a table; OSError if that fails."""
    fd = posix.open(path, posix.O_WRONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    try:
        if lock:
            lock_ex(fd)
        posix.pwrite(fd, bytes(size), 0)
    finally:
        posix.close(fd)


def clear6(path: bytes = PATH6, *, lock: bool = True) -> None:
    """The same for the second table, which a queue of the original does not have."""
    try:
        clear(path, lock=lock, size=SIZE6)
    except FileNotFoundError:
        pass


def is_timed_out(ip: bytes, now: int, pid: int, path: bytes | None = None) -> bool:
    """True while the host is to be left alone."""
    try:
        fd = _open(path or path_of(ip))
    except OSError:
        return False
    try:
        return is_skipped(read_table(fd, len(ip)), ip, now, pid)
    except OSError:
        return False
    finally:
        posix.close(fd)


def note_success(ip: bytes, path: bytes | None = None) -> None:
    """The host answered: its timeouts are forgotten."""
    _update(ip, path, lambda table: after_success(table, ip))


def note_timeout(ip: bytes, now: int | None = None, path: bytes | None = None) -> None:
    """The host did not answer in time."""
    when = int(time.time()) if now is None else now
    _update(ip, path, lambda table: after_timeout(table, ip, when))


def _open(path: bytes) -> int:
    # COMPAT: opened for writing even to read, as the original does: who may not write
    # the table has no opinion, and nobody else can hold the lock.
    return posix.open(path, posix.O_RDWR | posix.O_NONBLOCK | posix.O_CLOEXEC)


def _update(
    ip: bytes, path: bytes | None, change: Callable[[bytes], Record | None]
) -> None:
    try:
        fd = _open(path or path_of(ip))
    except OSError:
        return
    try:
        record = change(read_table(fd, len(ip)))
        if record is not None:
            posix.pwrite(fd, record.pack(), record.offset)
    except OSError:
        pass
    finally:
        posix.close(fd)
