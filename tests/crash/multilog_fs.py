"""One log directory in memory, as a disk may find it after a power cut.

Files have data and a mode, each as written and as on disk; the directory has its names as
they are, the names on disk, and the list of changes that no fsync of it has covered.
After a power cut any of those changes may be missing, whatever the others are.
"""

from __future__ import annotations

import copy
import errno
import posix
from collections.abc import Iterator
from itertools import product

START, LOG = 100, 101
MAX_FREE_CHANGES = 6


class Crash(BaseException):
    """The machine, or the process, stops here."""


class File:
    """An inode."""

    def __init__(self) -> None:
        self.data = b""
        self.disk_data = b""
        self.st_mode = 0
        self.disk_mode = 0


class Stat:
    """As much of a stat as multilog reads."""

    st_ino = st_dev = st_uid = st_gid = 0
    st_atime = st_mtime = st_ctime = 0.0

    def __init__(self, file: File, links: int) -> None:
        self.st_mode = file.st_mode
        self.st_size = len(file.data)
        self.st_nlink = links


class LogDisk:
    """The calls of ``LogFs``; stops before the change number ``crash_at``."""

    def __init__(self) -> None:
        self.names: dict[bytes, File] = {}
        self.disk_names: dict[bytes, File] = {}
        self.changes: list[tuple[bytes, bytes | None, File | None]] = []
        self.open_files: dict[int, File] = {}
        self.secured: set[bytes] = set()
        """Lines that were on disk, under a name that was, at any time."""
        self.steps = 0
        self.crash_at = -1

    def _step(self) -> None:
        if self.steps == self.crash_at:
            raise Crash
        self.steps += 1

    def _find(self, path: bytes) -> File:
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, "none", path)
        return self.names[path]

    def _change(self, name: bytes, old: bytes | None, file: File | None) -> None:
        self.changes.append((name, old, file))
        apply(self.names, (name, old, file))

    def open(self, path: bytes, flags: int, mode: int = 0o777, /) -> int:
        """A descriptor; creating and truncating are changes."""
        if path == b"./log":
            return LOG
        if path not in self.names and flags & posix.O_CREAT:
            self._step()
            file = File()
            file.st_mode = file.disk_mode = mode & ~0o022
            self._change(path, None, file)
        file = self._find(path)
        if flags & posix.O_TRUNC and file.data:
            self._step()
            file.data = b""
        fd = 200 + len(self.open_files)
        self.open_files[fd] = file
        return fd

    def close(self, fd: int, /) -> None:
        """Forget it."""

    def read(self, fd: int, length: int, /) -> bytes:
        """All there is."""
        return self.open_files[fd].data

    def write(self, fd: int, data: bytes | bytearray | memoryview, /) -> int:
        """Append."""
        self._step()
        self.open_files[fd].data += bytes(data)
        return len(data)

    def lseek(self, fd: int, position: int, how: int, /) -> int:
        """Not used by a log directory."""
        raise NotImplementedError

    def ftruncate(self, fd: int, length: int, /) -> None:
        """Not used by a log directory."""
        raise NotImplementedError

    def fstat(self, fd: int, /) -> Stat:
        """Not used by a log directory."""
        raise NotImplementedError

    def fsync(self, fd: int, /) -> None:
        """Data and mode of a file, or the names of the directory, reach the disk."""
        self._step()
        if fd == LOG:
            self.disk_names = dict(self.names)
            self.changes.clear()
        else:
            file = self.open_files[fd]
            file.disk_data, file.disk_mode = file.data, file.st_mode
        for file in self.disk_names.values():
            self.secured |= set(file.disk_data.splitlines(True))

    def fchmod(self, fd: int, mode: int, /) -> None:
        """Set the mode."""
        self._step()
        self.open_files[fd].st_mode = mode

    def fchdir(self, fd: int, /) -> None:
        """There is but one directory to be in."""

    def stat(self, path: bytes, /) -> Stat:
        """Mode, size and number of links."""
        file = self._find(path)
        return Stat(file, list(self.names.values()).count(file))

    def link(self, src: bytes, dst: bytes, /) -> None:
        """A second name."""
        self._step()
        if dst in self.names:
            raise FileExistsError(errno.EEXIST, "there", dst)
        self._change(dst, None, self._find(src))

    def unlink(self, path: bytes, /) -> None:
        """Take a name away."""
        self._find(path)
        self._step()
        self._change(path, None, None)

    def rename(self, src: bytes, dst: bytes, /) -> None:
        """One name for another, in one change."""
        self._step()
        self._change(dst, src, self._find(src))

    def mkdir(self, path: bytes, mode: int = 0o777, /) -> None:
        """It is there."""
        raise FileExistsError(errno.EEXIST, "there", path)

    def listdir(self, path: bytes, /) -> list[bytes]:
        """The names."""
        return list(self.names)

    def after_kill(self) -> LogDisk:
        """What the next process finds when only the process died: all, written or not."""
        return copy.deepcopy(self)

    def after_power_cut(self) -> Iterator[LogDisk]:
        """Every disk that a power cut may leave behind."""
        free = min(len(self.changes), MAX_FREE_CHANGES)
        sure = len(self.changes) - free
        for kept in product((False, True), repeat=free):
            names = dict(self.disk_names)
            for change, keep in zip(self.changes, (True,) * sure + kept, strict=True):
                if keep:
                    apply(names, change)
            for new_data, new_mode in product((False, True), repeat=2):
                yield self._reboot(names, new_data=new_data, new_mode=new_mode)

    def _reboot(
        self, names: dict[bytes, File], *, new_data: bool, new_mode: bool
    ) -> LogDisk:
        disk = LogDisk()
        disk.secured |= self.secured
        copies: dict[int, File] = {}
        for name, file in names.items():
            twin = copies.setdefault(id(file), File())
            twin.data = twin.disk_data = file.data if new_data else file.disk_data
            twin.st_mode = twin.disk_mode = file.st_mode if new_mode else file.disk_mode
            disk.names[name] = disk.disk_names[name] = twin
        return disk


def apply(
    names: dict[bytes, File], change: tuple[bytes, bytes | None, File | None]
) -> None:
    """Do one change of the directory."""
    name, old, file = change
    # A rename whose source never reached the disk gives the target all the same.
    if old is not None and names.get(old) is file:
        del names[old]
    if file is None:
        names.pop(name, None)
    else:
        names[name] = file
