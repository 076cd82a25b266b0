"""Constant databases, read and written through cdbx, with our errors.

Format       https://cr.yp.to/cdb/cdb.txt: 256 table pointers, records, hash tables.
Assumes      a writer replaces the file by rename; a reader that finds it truncated in
             place gets ``Broken``, not SIGBUS, because nothing is mapped.
"""

from __future__ import annotations

import errno
import posix

import cdbx

from pytools.base import fds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Broken(OSError):
    """The file is not a whole cdb."""

    def __init__(self) -> None:
        super().__init__(errno.EPROTO, "malformed cdb")


def _translated(error: OSError) -> OSError:
    # cdbx says "Format Error" in an OSError without a number.
    return Broken() if error.errno is None else error


class Cdb:
    """A cdb open for reading. OSError if it cannot be opened, Broken if malformed."""

    __slots__ = ("_cdb", "_fd")

    def __init__(self, path: bytes) -> None:
        # A FIFO must not hold up a server that looks into it.
        flags = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK
        self._fd = posix.open(path, flags)
        try:
            self._cdb = cdbx.CDB(self._fd, close=False, mmap=False)
        except OSError as error:
            posix.close(self._fd)
            raise _translated(error) from None

    def get(self, key: bytes) -> bytes | None:
        """The first value of ``key``, or None."""
        try:
            return self._cdb.get(key)
        except OSError as error:
            raise _translated(error) from None

    def getall(self, key: bytes) -> list[bytes]:
        """All values of ``key`` in the order they were added."""
        try:
            return list(self._cdb.get(key, all=True) or ())
        except OSError as error:
            raise _translated(error) from None

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            self._cdb.close()
            posix.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Cdb:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


class CdbMaker:
    """Write a cdb to a descriptor that was opened empty for reading and writing."""

    __slots__ = ("_maker", "add")

    def __init__(self, fd: int) -> None:
        self._maker = cdbx.CDB.make(fd, close=False, mmap=False)
        # PERF: the maker's own, not a method around it: a tenth of tcprules.
        self.add: Callable[[bytes, bytes], None] = self._maker.add
        """Append a record (key, data); a key may come several times."""

    def finish(self) -> None:
        """Write the tables. The caller fsyncs and renames."""
        self._maker.commit().close()


def database(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The bytes of a cdb with these records (key, data), in their order."""
    fd = posix.memfd_create("cdb", posix.MFD_CLOEXEC)
    try:
        maker = CdbMaker(fd)
        for key, data in records:
            maker.add(key, data)
        maker.finish()
        posix.lseek(fd, 0, 0)
        return fds.read_all(fd)
    finally:
        posix.close(fd)
