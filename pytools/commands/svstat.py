"""svstat: one line about each service directory on descriptor 1.

Exit         0 whatever the lines say, 111 the current directory is lost.
"""

from __future__ import annotations

import errno
import posix
import time

from pytools.base import fds
from pytools.base.exits import Strerr, reason
from pytools.base.tai import TAI_OFFSET
from pytools.supervision import status

STRERR = Strerr(b"svstat")
NONBLOCK = posix.O_NONBLOCK | posix.O_CLOEXEC


def main(argv: list[bytes]) -> int:
    """Describe every directory named."""
    try:
        start = posix.open(b".", posix.O_RDONLY | NONBLOCK)
    except OSError as error:
        raise STRERR.fatal(b"unable to open current directory", error=error) from None
    lines = []
    for directory in argv[1:]:
        lines.append(b"%b: %b\n" % (directory, words_for(directory)))
        try:
            posix.fchdir(start)
        except OSError as error:
            raise STRERR.fatal(b"unable to set directory", error=error) from None
    if lines:
        try:
            fds.write_all(1, b"".join(lines))
        except OSError:
            # COMPAT: the original does not look either; the exit status is about
            # directories, and scripts rely on 0.
            pass
    return 0


def words_for(directory: bytes) -> bytes:
    """Change to the directory and say how its service is, or what is in the way."""
    doing = b"chdir"
    try:
        posix.chdir(directory)
        doing = b"stat down"
        normally_up = not _exists(b"down")
        doing = b"open supervise/ok"
        posix.close(posix.open(b"supervise/ok", posix.O_WRONLY | NONBLOCK))
        doing = b"open supervise/status"
        fd = posix.open(b"supervise/status", posix.O_RDONLY | NONBLOCK)
        # COMPAT: the original takes a failed read for a record full of zeros.
        doing = b"read supervise/status"
        try:
            record = posix.read(fd, status.SIZE)
        finally:
            posix.close(fd)
    except OSError as error:
        if error.errno == errno.ENXIO and doing == b"open supervise/ok":
            return b"supervise not running"
        return b"unable to %b: %b" % (doing, reason(error))
    if len(record) < status.SIZE:
        return b"unable to read supervise/status: bad format"
    return status.describe(record, int(time.time()) + TAI_OFFSET, normally_up)


def _exists(path: bytes) -> bool:
    try:
        posix.stat(path)
    except FileNotFoundError:
        return False
    return True
