"""setmaillist: compile a mailing list.

Contract     setmaillist(1): source on descriptor 0, the list by way of a temporary file.
             0; 100 for misuse; 111 for anything else.
"""

from __future__ import annotations

import posix

from pytools.base.exits import Strerr
from qmail.forwarding.files import read_input, store
from qmail.forwarding.lists import compile_list
from qmail.forwarding.source import Refused

ERRORS = Strerr(b"setmaillist")


def main(argv: list[bytes]) -> int:
    posix.umask(0o033)
    if len(argv) < 3:
        raise ERRORS.usage(b"setmaillist list.bin list.tmp")
    source = read_input(ERRORS)
    try:
        data = compile_list(source)
    except Refused as refused:
        raise ERRORS.fatal(refused.reason, code=refused.code) from None
    store(argv[1], data, argv[2], ERRORS)
    return 0
