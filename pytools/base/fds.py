"""Descriptors: plain integers, whole writes, and the numbers a contract asks for."""

from __future__ import annotations

import fcntl
import posix

BLOCK = 65536


def read_all(fd: int) -> bytes:
    """Everything up to end of file."""
    parts = []
    while chunk := posix.read(fd, BLOCK):
        parts.append(chunk)
    return b"".join(parts)


def read_file(path: bytes) -> bytes:
    """The bytes of the file ``path``. OSError if it cannot be opened or read."""
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    try:
        return read_all(fd)
    finally:
        posix.close(fd)


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of ``data``, in as many writes as it takes."""
    done = posix.write(fd, data)
    if done < len(data):
        rest = memoryview(data)
        while done < len(data):
            done += posix.write(fd, rest[done:])


def set_cloexec(fd: int, on: bool = True) -> None:
    """Set or clear close-on-exec."""
    posix.set_inheritable(fd, not on)


def set_nonblock(fd: int, on: bool = True) -> None:
    """Set or clear O_NONBLOCK."""
    posix.set_blocking(fd, not on)


def pipe() -> tuple[int, int]:
    """A pipe (read end, write end), both close-on-exec."""
    return posix.pipe2(posix.O_CLOEXEC)


def copy(src: int, dst: int) -> None:
    """Make ``dst`` the same as ``src``; ``dst`` survives exec."""
    if src == dst:
        set_cloexec(src, on=False)
    else:
        posix.dup2(src, dst, inheritable=True)


def move(src: int, dst: int) -> None:
    """``copy``, then close ``src``."""
    copy(src, dst)
    if src != dst:
        posix.close(src)


def arrange(wanted: dict[int, int]) -> None:
    """Give each ``dst: src`` its number at once, whatever overlaps; close the sources.

    A source may serve several numbers. All destinations survive exec.
    """
    # A source that is also a destination would be overwritten before it is used:
    # lift every such source above all the numbers in play first.
    floor = max(wanted, default=0) + 1
    lifted: dict[int, int] = {}
    for dst, src in wanted.items():
        if src != dst and src in wanted and src not in lifted:
            lifted[src] = fcntl.fcntl(src, fcntl.F_DUPFD_CLOEXEC, floor)
    for dst, src in wanted.items():
        copy(lifted.get(src, src), dst)
    for fd in set(lifted.values()) | (set(wanted.values()) - set(wanted)):
        posix.close(fd)


class LineReader:
    """Lines from a descriptor; each keeps its LF, the last may lack it."""

    __slots__ = ("_at", "_buffer", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._buffer = b""
        self._at = 0

    def readline(self) -> bytes:
        """The next line with its LF; without LF at end of file; b"" after that."""
        parts: list[bytes] = []
        while True:
            end = self._buffer.find(b"\n", self._at)
            if end >= 0:
                parts.append(self._buffer[self._at : end + 1])
                self._at = end + 1
                return parts[0] if len(parts) == 1 else b"".join(parts)
            if self._at < len(self._buffer):
                parts.append(self._buffer[self._at :])
            self._buffer = posix.read(self.fd, BLOCK)
            self._at = 0
            if not self._buffer:
                return b"".join(parts)
