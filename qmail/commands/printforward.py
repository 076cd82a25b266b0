"""printforward: print a forwarding cdb as the source that setforward reads.

Contract     printforward(1): cdb on descriptor 0, source on 1. 0; 100 for a cdb that is
             no forwarding table, after what there is before the trouble; 111 when the
             system fails.
"""

from __future__ import annotations

from pytools.base.exits import USAGE, Strerr
from pytools.base.fds import write_all
from qmail.forwarding.files import read_input
from qmail.forwarding.table import Malformed, instruction, records

# COMPAT: the original calls itself printmaillist when it complains.
ERRORS = Strerr(b"printforward")


def main(argv: list[bytes]) -> int:
    data = read_input(ERRORS)
    printed = bytearray()
    well_formed = True
    try:
        for key, value in records(data):
            printed += instruction(key, value)
    except Malformed:
        well_formed = False
    try:
        write_all(1, printed)
    except OSError as error:
        raise ERRORS.fatal(b"unable to write output", error=error) from None
    if not well_formed:
        raise ERRORS.fatal(b"bad database format", code=USAGE)
    return 0
