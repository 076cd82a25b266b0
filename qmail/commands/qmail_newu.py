"""qmail-newu: make users/cdb, which qmail-lspawn asks, from users/assign.

Contract     0, or 111 and a line on stderr; then users/cdb is the one it was.
Durability   written as users/cdb.tmp, fsynced and renamed: a reader sees all of the old
             or all of the new assignments, also after a power cut.
"""

from __future__ import annotations

import posix

from pytools.base import durable, fds, runtime
from pytools.base.cdb import database
from pytools.base.exits import Strerr
from qmail.control.users import CDB_PATH, BadAssign, parse_assign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.seams import Fs

ASSIGN_PATH = b"users/assign"


def main(argv: list[bytes]) -> int:
    """Replace users/cdb below the home directory."""
    strerr = Strerr(b"qmail-newu")
    posix.umask(0o033)
    try:
        posix.chdir(runtime.home)
    except OSError as error:
        raise strerr.fatal(b"unable to chdir to ", runtime.home, error=error) from None
    try:
        text = fds.read_file(ASSIGN_PATH)
    except OSError as error:
        raise strerr.fatal(b"unable to read ", ASSIGN_PATH, error=error) from None
    try:
        records = parse_assign(text)
    except BadAssign as bad:
        where = b"%b, line %d: " % (ASSIGN_PATH, bad.line)
        raise strerr.fatal(b"bad format in ", where, bad.reason) from None
    try:
        publish(records)
    except OSError as error:
        raise strerr.fatal(b"unable to write ", CDB_PATH, error=error) from None
    return 0


def publish(records: list[tuple[bytes, bytes]], fs: Fs = posix) -> None:
    """Put the records in the place of users/cdb."""
    durable.replace(CDB_PATH, database(records), tmp=CDB_PATH + b".tmp", fs=fs)
