"""svstat: one line about each service directory on descriptor 1.

Contract     svstat directory ...; svstat --json directory ...: an object a line;
             svstat --quiet directory ...: the exit status alone. See svstat(8).
Exit         0 whatever the lines say, 111 the current directory is lost. With --json or
             --quiet: 0 all are up, 100 one is not, 111 it cannot be told of one.
"""

from __future__ import annotations

import errno
import posix
import time

from pytools.base.exits import Strerr, reason
from pytools.supervision import status

STRERR = Strerr(b"svstat")
NONBLOCK = posix.O_NONBLOCK | posix.O_CLOEXEC


def main(argv: list[bytes]) -> int:
    """Describe every directory named."""
    # COMPAT: the original takes these words for directories; ./--json still is one.
    if argv[1:2] in ([b"--json"], [b"--quiet"]):
        # Who does not ask for it does not pay for the import.
        from pytools.supervision import reporting

        lines, answer = reporting.report_all(argv[2:])
        if argv[1] == b"--json":
            _write(lines)
        return answer
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
    _write(lines)
    return 0


def _write(lines: list[bytes]) -> None:
    text = b"".join(lines)
    try:
        while text:
            text = text[posix.write(1, text) :]
    except OSError:
        # COMPAT: the original does not look either; the exit status is about
        # directories, and scripts rely on 0.
        pass


def words_for(directory: bytes) -> bytes:
    """Change to the directory and say how its service is, or what is in the way."""
    doing = b"chdir"
    try:
        posix.chdir(directory)
        doing = b"stat down"
        normally_up = not status.exists(b"down")
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
    return status.describe(record, int(time.time()) + status.TAI_OFFSET, normally_up)
