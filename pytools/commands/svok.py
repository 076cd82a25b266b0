"""svok: is a supervise running in this directory?

Exit         0 yes, 100 no (or usage), 111 it cannot be told.
"""

from __future__ import annotations

import errno
import posix

from pytools.base.exits import Strerr

STRERR = Strerr(b"svok")


def main(argv: list[bytes]) -> int:
    """Try whether anybody has the FIFO supervise/ok open for reading."""
    if len(argv) < 2:
        raise STRERR.usage(b"svok dir")
    directory = argv[1]
    try:
        posix.chdir(directory)
    except OSError as error:
        raise STRERR.fatal(b"unable to chdir to ", directory, error=error) from None
    try:
        posix.open(b"supervise/ok", posix.O_WRONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENXIO):
            return 100
        raise STRERR.fatal(
            b"unable to open ", directory, b"/supervise/ok", error=error
        ) from None
    return 0
