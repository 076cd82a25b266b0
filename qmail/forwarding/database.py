"""The bytes of a cdb."""

from __future__ import annotations

import posix

from pytools.base.cdb import CdbMaker
from pytools.base.fds import read_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from qmail.forwarding.table import Record


def database(records: Iterable[Record]) -> bytes:
    """A cdb with these records, in their order."""
    fd = posix.memfd_create("forwarding", posix.MFD_CLOEXEC)
    try:
        maker = CdbMaker(fd)
        for key, data in records:
            maker.add(key, data)
        maker.finish()
        posix.lseek(fd, 0, 0)
        return read_all(fd)
    finally:
        posix.close(fd)
