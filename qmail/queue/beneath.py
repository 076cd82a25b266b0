"""A directory that others own, for root to work in: no step goes through a link.

SECURITY: qmailq and qmails own what is below the queue directory, and may put a symbolic
link in the place of any name there at any moment. Every name is therefore looked up from
a descriptor of the directory that holds it, and none is followed.
Contract     the calls of Fs, with stat() as lstat(), and three more; paths are relative.
"""

from __future__ import annotations

import errno
import posix
import sys

from pytools.base.durable import parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from pytools.base.seams import StatResult

_STEP = posix.O_PATH | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
_HERE = (b"", b".")


class Beneath:
    """What is below ``root``, which itself may lie behind a link of the operator's."""

    __slots__ = ("_steps",)

    def __init__(self, root: bytes) -> None:
        flags = posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC
        self._steps = {b".": posix.open(root, flags)}

    def done(self) -> None:
        """Close every directory."""
        for fd in self._steps.values():
            posix.close(fd)
        self._steps.clear()

    def _step(self, path: bytes) -> int:
        if path in _HERE:
            return self._steps[b"."]
        if path not in self._steps:
            above, name = self._place(path)
            self._steps[path] = posix.open(name, _STEP, dir_fd=above)
        return self._steps[path]

    def _place(self, path: bytes) -> tuple[int, bytes]:
        return self._step(parent(path)), path.rpartition(b"/")[2]

    def open(self, path: bytes, flags: int, mode: int = 0o777, /) -> int:
        above, name = self._place(path)
        safe = flags | posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_CLOEXEC
        return posix.open(name or b".", safe, mode, dir_fd=above)

    def stat(self, path: bytes, /) -> StatResult:
        above, name = self._place(path)
        return posix.stat(name, dir_fd=above, follow_symlinks=False)

    def link(self, src: bytes, dst: bytes, /) -> None:
        above, name = self._place(src)
        below, new = self._place(dst)
        posix.link(name, new, src_dir_fd=above, dst_dir_fd=below, follow_symlinks=False)

    def unlink(self, path: bytes, /) -> None:
        above, name = self._place(path)
        posix.unlink(name, dir_fd=above)

    def rename(self, src: bytes, dst: bytes, /) -> None:
        above, name = self._place(src)
        below, new = self._place(dst)
        posix.rename(name, new, src_dir_fd=above, dst_dir_fd=below)

    def mkdir(self, path: bytes, mode: int = 0o777, /) -> None:
        above, name = self._place(path)
        posix.mkdir(name, mode, dir_fd=above)

    def rmdir(self, path: bytes, /) -> None:
        """Remove an empty directory."""
        above, name = self._place(path)
        posix.rmdir(name, dir_fd=above)
        if path in self._steps:
            posix.close(self._steps.pop(path))

    def listdir(self, path: bytes, /) -> list[bytes]:
        fd = self.open(path, posix.O_RDONLY | posix.O_DIRECTORY)
        try:
            # Not by its name in /proc, which need not be mounted.
            names = posix.listdir(fd)
        finally:
            posix.close(fd)
        # What os.fsencode does.
        coding = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
        return [name.encode(*coding) for name in names]

    def own(
        self,
        path: bytes,
        owner: tuple[int, int],
        seen: StatResult,
        names: int,
        known: Container[int],
    ) -> None:
        """Set owner (uid, mode) of the ordinary file that `seen` is a stat of.

        OSError if it is another by now, if it has not just so many names, or if it
        belongs to none of the `known` users.
        """
        uid, mode = owner
        fd = self.open(path, posix.O_RDONLY)
        try:
            now = posix.fstat(fd)
            # SECURITY: the owner of the directory may have put a link to a file of
            # root's here, even while its names were counted. So no file with a second
            # name gets another owner, and no other file than the one looked at.
            if now.st_mode & 0o170000 != 0o100000 or now.st_nlink != names:
                raise OSError(errno.EINVAL, "it has another name, or is no file")
            if (now.st_dev, now.st_ino) != (seen.st_dev, seen.st_ino):
                raise OSError(errno.EINVAL, "it is another file now")
            if now.st_uid not in known:
                raise OSError(errno.EINVAL, f"it belongs to uid {now.st_uid}")
            if now.st_uid != uid and now.st_nlink != 1:
                raise OSError(errno.EINVAL, "it has two names and a wrong owner")
            posix.fchown(fd, uid, -1)
            posix.fchmod(fd, mode)
        finally:
            posix.close(fd)

    # Descriptors are what they are everywhere.

    def close(self, fd: int, /) -> None:
        posix.close(fd)

    def read(self, fd: int, length: int, /) -> bytes:
        return posix.read(fd, length)

    def write(self, fd: int, data: bytes | bytearray | memoryview, /) -> int:
        return posix.write(fd, data)

    def lseek(self, fd: int, position: int, how: int, /) -> int:
        return posix.lseek(fd, position, how)

    def fsync(self, fd: int, /) -> None:
        posix.fsync(fd)

    def ftruncate(self, fd: int, length: int, /) -> None:
        posix.ftruncate(fd, length)

    def fchmod(self, fd: int, mode: int, /) -> None:
        posix.fchmod(fd, mode)

    def fstat(self, fd: int, /) -> StatResult:
        return posix.fstat(fd)
