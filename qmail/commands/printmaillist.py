"""printmaillist: print a compiled mailing list as the source that setmaillist reads.

Contract     printmaillist(1): list on descriptor 0, source on 1. 0; 100 for data that is
             no list, after what there is before the trouble; 111 when the system fails.
"""

from __future__ import annotations

from pytools.base.exits import USAGE, Strerr
from pytools.base.fds import write_all
from qmail.forwarding.files import read_input
from qmail.forwarding.lists import source
from qmail.forwarding.table import Malformed

ERRORS = Strerr(b"printmaillist")


def main(argv: list[bytes]) -> int:
    data = read_input(ERRORS)
    printed = bytearray()
    well_formed = True
    try:
        for line in source(data):
            printed += line
    except Malformed:
        well_formed = False
    try:
        write_all(1, printed)
    except OSError as error:
        raise ERRORS.fatal(b"unable to write output", error=error) from None
    if not well_formed:
        raise ERRORS.fatal(b"bad mailing list format", code=USAGE)
    return 0
