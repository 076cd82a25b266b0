"""qmail-tcpto: print the hosts that lately did not answer qmail-remote.

Contract     a line a host; 0, or 111.
COMPAT: as in the original, the complaint goes to stdout, without the program's name. A
list that cannot be written is 111; the original says 0. A count over 127 is shown, too.
"""

from __future__ import annotations

import posix
import time

from pytools.base import runtime
from pytools.base.exits import TEMPORARY, reason
from pytools.base.fds import write_all
from pytools.base.ip import format_ip
from qmail.control import tcpto


def main(argv: list[bytes]) -> int:
    """Print the tables."""
    try:
        table = _table(tcpto.PATH, tcpto.IP4_BYTES)
    except OSError as error:
        text = b"fatal: unable to read tcpto: %b\n" % reason(error)
        _say(text)
        return TEMPORARY
    try:
        table6 = _table(tcpto.PATH6, tcpto.IP6_BYTES)
    except OSError:
        # The original's queue has none; what cannot be read is no worse.
        table6 = b""
    now = int(time.time())
    found = tcpto.records(table) + tcpto.records(table6, tcpto.IP6_BYTES)
    return 0 if _say(describe(found, now)) else TEMPORARY


def _say(text: bytes) -> bool:
    """Print; False if nobody can read it."""
    try:
        write_all(1, text)
    except OSError:
        return False
    return True


def describe(records: list[tcpto.Record], now: int) -> bytes:
    """The lines for the records of tables."""
    return b"".join(
        b"%b timed out %d seconds ago; # recent timeouts: %d\n"
        % (format_ip(record.address), max(now - record.when, 0), record.count)
        for record in records
        if record.count
    )


def _table(path: bytes, width: int) -> bytes:
    path = runtime.home + b"/" + path
    fd = posix.open(path, posix.O_RDWR | posix.O_NONBLOCK | posix.O_CLOEXEC)
    try:
        return tcpto.read_table(fd, width)
    finally:
        posix.close(fd)
