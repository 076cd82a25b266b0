"""Limits of memory: how much this process uses, and how much it may still take.

softlimit gives one of our own programs n bytes beyond what the interpreter and its
modules take up; a program that keeps what a peer can make grow bounds it by ``ceiling``,
well before the kernel refuses memory: CPython can spin for ever when small objects find
none, so MemoryError is no answer to rely on.
"""

from __future__ import annotations

import posix
import resource

UNKNOWN_SIZE = 32 << 20
"""What an interpreter with its modules is taken to use where /proc is not mounted."""


RESERVE = 512 << 10
"""What a session needs for itself besides what its peer makes it keep: the allocators
take memory in pieces of up to 256 KiB, and a buffer grows by more than is put in."""


class Usage:
    """Bytes of address space, of private writable memory, and of stack."""

    __slots__ = ("data", "size", "stack")

    def __init__(self, size: int, data: int, stack: int) -> None:
        self.size = size
        self.data = data
        self.stack = stack


def usage() -> Usage:
    """What this process uses now: what RLIMIT_AS, _DATA and _STACK are compared with."""
    try:
        fd = posix.open("/proc/self/status", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return Usage(UNKNOWN_SIZE, UNKNOWN_SIZE, 0)
    try:
        return parse_status(posix.read(fd, 16384))
    finally:
        posix.close(fd)


def parse_status(text: bytes) -> Usage:
    """The three sizes in the text of /proc/self/status."""
    return Usage(
        _kilobytes(text, b"\nVmSize:"),
        _kilobytes(text, b"\nVmData:"),
        _kilobytes(text, b"\nVmStk:"),
    )


def _kilobytes(text: bytes, field: bytes) -> int:
    return int(text.partition(field)[2].split(None, 1)[0]) << 10


def left() -> int | None:
    """How many bytes this process may still take; None when there is no limit."""
    used = usage()
    budgets = []
    for kind, taken in (
        (resource.RLIMIT_AS, used.size),
        (resource.RLIMIT_DATA, used.data),
    ):
        soft = resource.getrlimit(kind)[0]
        if soft != resource.RLIM_INFINITY:
            budgets.append(max(soft - taken, 0))
    return min(budgets) if budgets else None


def ceiling() -> int | None:
    """How much of what a peer sends a session may hold: less than half of what is left.

    Half, so that what is held can be copied once. Read it once, when the session begins.
    None when there is no limit.
    """
    budget = left()
    return None if budget is None else max(budget - RESERVE, 0) // 2
