"""Files that a delivery follows: a .forward file, a compiled list."""

from __future__ import annotations

import posix

from pytools.base.fds import BLOCK
from qmail.mail.delivering import LARGEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.exits import Strerr

_FILE_TYPE, _REGULAR, _DIRECTORY = 0o170000, 0o100000, 0o040000
_WORLD_READABLE = 0o444


def read_regular(path: bytes, errors: Strerr, *, world_readable: bool = False) -> bytes:
    """All of a regular file. OSError; Exit for another kind, or more than LARGEST.

    ``world_readable``: Exit for one that not everybody may read.
    COMPAT: the originals have no limit but the memory, which other deliveries need.
    """
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    try:
        mode = posix.fstat(fd).st_mode
        # A FIFO would look empty, and what it stands for be lost; directories say what
        # they are when they are read.
        if mode & _FILE_TYPE not in (_REGULAR, _DIRECTORY):
            raise errors.fatal(path, b" is no regular file")
        if world_readable and mode & _WORLD_READABLE != _WORLD_READABLE:
            raise errors.fatal(path, b" is not world-readable")
        parts = []
        left = LARGEST
        while chunk := posix.read(fd, BLOCK):
            parts.append(chunk)
            left -= len(chunk)
            if left < 0:
                raise errors.fatal(path, b" is too big")
        return b"".join(parts)
    finally:
        posix.close(fd)
