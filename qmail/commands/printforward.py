"""printforward: print a forwarding cdb as the source that setforward reads.

Contract     printforward(1): cdb on descriptor 0, source on 1. 0; 100 for a cdb that is
             no forwarding table, after what there is before the trouble; 111 when the
             system fails.
"""

from __future__ import annotations

from pytools.base.exits import Strerr
from qmail.forwarding.files import read_input
from qmail.forwarding.printing import print_all
from qmail.forwarding.table import instruction, records

# COMPAT: the original calls itself printmaillist when it complains.
ERRORS = Strerr(b"printforward")


def main(argv: list[bytes]) -> int:
    parts = (instruction(*record) for record in records(read_input(ERRORS)))
    print_all(parts, ERRORS, what=b"database")
    return 0
