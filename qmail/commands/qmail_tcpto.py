"""qmail-tcpto: print the hosts that lately did not answer qmail-remote.

Contract     a line a host; 0, or 111.
COMPAT: as in the original, the complaint goes to stdout, without the program's name.
"""

from __future__ import annotations

import posix
import time

from pytools.base import runtime
from pytools.base.exits import TEMPORARY, reason
from pytools.base.fds import write_all
from pytools.base.ip import format_ip4
from qmail.control import tcpto


def main(argv: list[bytes]) -> int:
    """Print the table."""
    try:
        table = _table(runtime.home + b"/" + tcpto.PATH)
    except OSError as error:
        text = b"fatal: unable to read tcpto: %b\n" % reason(error)
        write_all(1, text)
        return TEMPORARY
    write_all(1, describe(table, int(time.time())))
    return 0


def describe(table: bytes, now: int) -> bytes:
    """The lines for a table."""
    return b"".join(
        b"%b timed out %d seconds ago; # recent timeouts: %d\n"
        % (format_ip4(record.address), max(now - record.when, 0), record.count)
        for record in tcpto.records(table)
        if record.count
    )


def _table(path: bytes) -> bytes:
    fd = posix.open(path, posix.O_RDWR | posix.O_NONBLOCK | posix.O_CLOEXEC)
    try:
        return tcpto.read_table(fd)
    finally:
        posix.close(fd)
