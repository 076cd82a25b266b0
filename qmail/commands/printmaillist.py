"""printmaillist: print a compiled mailing list as the source that setmaillist reads.

Contract     printmaillist(1): list on descriptor 0, source on 1. 0; 100 for data that is
             no list, after what there is before the trouble; 111 when the system fails.
"""

from __future__ import annotations

from pytools.base.exits import Strerr
from qmail.forwarding.files import read_input
from qmail.forwarding.lists import source
from qmail.forwarding.printing import print_all

ERRORS = Strerr(b"printmaillist")


def main(argv: list[bytes]) -> int:
    print_all(source(read_input(ERRORS)), ERRORS, what=b"mailing list")
    return 0
