"""setforward: compile a forwarding table into a cdb.

Contract     setforward(1): source on descriptor 0, the cdb by way of a temporary file.
             0; 100 for misuse or a source that is wrong; 111 when the system fails.
"""

from __future__ import annotations

from pytools.base.cdb import database
from pytools.base.exits import Strerr
from qmail.forwarding.files import read_input, store
from qmail.forwarding.source import Refused
from qmail.forwarding.table import compile_table

ERRORS = Strerr(b"setforward")


def main(argv: list[bytes]) -> int:
    if len(argv) < 3:
        raise ERRORS.usage(b"setforward data.cdb data.tmp")
    source = read_input(ERRORS)
    try:
        data = database(compile_table(source))
    except Refused as refused:
        raise ERRORS.fatal(refused.reason, code=refused.code) from None
    store(argv[1], data, argv[2], ERRORS)
    return 0
