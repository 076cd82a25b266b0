"""A small disk that can lose what was not fsynced, for deliveries into mailboxes.

Files have two images, volatile and durable: fsync on a file copies its bytes, fsync on a
directory its entries. ``fail_at`` counts calls from 1: from that call on either the
machine is gone (``Crash``, every call), or that one call fails (``OSError``).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from types import SimpleNamespace

SHORT_WRITE = 7
"""A write takes no more than this, so that a crash can tear any message."""


class Crash(BaseException):
    """The power is gone."""


class Disk:
    """One directory tree; it is an ``Fs``."""

    def __init__(self, directories: list[bytes], fail_at: int = 0) -> None:
        self.fail_at = fail_at
        self.fails_once = False
        self.calls = 0
        self._entries: dict[bytes, int] = {}
        self._kept_entries: dict[bytes, int] = {}
        self._data: list[bytearray] = []
        self._kept_data: list[bytes] = []
        self._directories = directories
        self._open: dict[int, tuple[int | bytes, int]] = {}
        self._next_fd = 100

    def put(self, path: bytes, data: bytes) -> None:
        """A file that was there before, durably."""
        self._entries[path] = self._kept_entries[path] = len(self._data)
        self._data.append(bytearray(data))
        self._kept_data.append(data)

    def reboots(self) -> Iterator[dict[bytes, bytes]]:
        """Every state the disk may have after the power came back, path to bytes."""
        for entries in (self._entries, self._kept_entries):
            for keep in (0, 1, 2):
                yield {path: self._survivor(n, keep) for path, n in entries.items()}

    def _survivor(self, number: int, keep: int) -> bytes:
        now, kept = bytes(self._data[number]), self._kept_data[number]
        if keep == 0:
            return now
        if keep == 1 or not now.startswith(kept):
            return kept
        return now[: (len(kept) + len(now)) // 2]

    def files(self) -> dict[bytes, bytes]:
        """What a process sees now."""
        return {path: bytes(self._data[n]) for path, n in self._entries.items()}

    @property
    def open_count(self) -> int:
        return len(self._open)

    def _call(self) -> None:
        self.calls += 1
        if not self.fail_at or self.calls < self.fail_at:
            return
        if not self.fails_once:
            raise Crash
        if self.calls == self.fail_at:
            raise OSError(errno.EIO, "injected")

    def open(self, path: bytes, flags: int, mode: int = 0o777, /) -> int:
        self._call()
        self._next_fd += 1
        if flags & os.O_DIRECTORY:
            assert path in self._directories
            self._open[self._next_fd] = (path, 0)
            return self._next_fd
        if path in self._entries:
            if flags & os.O_EXCL:
                raise FileExistsError(errno.EEXIST, "exists")
        elif flags & os.O_CREAT:
            self._entries[path] = len(self._data)
            self._data.append(bytearray())
            self._kept_data.append(b"")
        else:
            raise FileNotFoundError(errno.ENOENT, "missing")
        self._open[self._next_fd] = (self._entries[path], 0)
        return self._next_fd

    def close(self, fd: int, /) -> None:
        self._open.pop(fd, None)
        self._call()

    def _file(self, fd: int) -> int:
        number = self._open[fd][0]
        assert isinstance(number, int)
        return number

    def read(self, fd: int, length: int, /) -> bytes:
        self._call()
        number, at = self._file(fd), self._open[fd][1]
        return bytes(self._data[number][at : at + length])

    def write(self, fd: int, data: bytes | bytearray | memoryview, /) -> int:
        self._call()
        some = bytes(data)[:SHORT_WRITE]
        self._data[self._file(fd)] += some
        return len(some)

    def lseek(self, fd: int, position: int, how: int, /) -> int:
        self._call()
        number = self._file(fd)
        at = position + (len(self._data[number]) if how == os.SEEK_END else 0)
        self._open[fd] = (number, at)
        return at

    def fsync(self, fd: int, /) -> None:
        self._call()
        target = self._open[fd][0]
        if isinstance(target, int):
            self._kept_data[target] = bytes(self._data[target])
            return
        for path in set(self._entries) | set(self._kept_entries):
            if (os.path.dirname(path) or b".") != target:
                continue
            if path in self._entries:
                self._kept_entries[path] = self._entries[path]
            else:
                del self._kept_entries[path]

    def ftruncate(self, fd: int, length: int, /) -> None:
        self._call()
        del self._data[self._file(fd)][length:]

    def link(self, src: bytes, dst: bytes, /) -> None:
        self._call()
        if dst in self._entries:
            raise FileExistsError(errno.EEXIST, "exists")
        self._entries[dst] = self._entries[src]

    def unlink(self, path: bytes, /) -> None:
        self._call()
        del self._entries[path]

    def rename(self, src: bytes, dst: bytes, /) -> None:
        self._call()
        self._entries[dst] = self._entries.pop(src)

    # The rest of Fs, which deliveries do not use.
    def fchmod(self, fd: int, mode: int, /) -> None:
        raise NotImplementedError

    def fstat(self, fd: int, /) -> SimpleNamespace:
        raise NotImplementedError

    def stat(self, path: bytes, /) -> SimpleNamespace:
        raise NotImplementedError

    def mkdir(self, path: bytes, mode: int = 0o777, /) -> None:
        raise NotImplementedError

    def listdir(self, path: bytes, /) -> list[bytes]:
        raise NotImplementedError
