"""qmail-newmrh: make control/morercpthosts.cdb of control/morercpthosts.

Contract     qmail-newmrh(8). 0; 111 when something fails, and then the old database
             stays as it is.
Durability   the new database is on disk before its name is.
"""

from __future__ import annotations

import posix

from pytools.base import runtime
from pytools.base.cdb import database
from pytools.base.durable import replace
from pytools.base.exits import Strerr
from pytools.base.fds import read_file
from qmail.control.rcpthosts import CDB_PATH

SOURCE = b"control/morercpthosts"
TMP = b"control/morercpthosts.tmp"

ERRORS = Strerr(b"qmail-newmrh")


def keys(text: bytes) -> list[bytes]:
    """The keys of the file: lower case, without trailing blanks and comments."""
    lines = (line.lower().rstrip(b" \t") for line in text.split(b"\n"))
    return [line for line in lines if line and not line.startswith(b"#")]


def main(argv: list[bytes]) -> int:
    posix.umask(0o033)
    try:
        posix.chdir(runtime.home)
    except OSError as error:
        raise ERRORS.fatal(b"unable to switch to ", runtime.home, error=error) from None
    try:
        domains = keys(read_file(SOURCE))
    except OSError as error:
        raise ERRORS.fatal(b"unable to read ", SOURCE, error=error) from None
    try:
        data = database((domain, b"") for domain in domains)
        replace(CDB_PATH, data, tmp=TMP)
    except OSError as error:
        raise ERRORS.fatal(b"unable to write ", CDB_PATH, error=error) from None
    return 0
