"""newaliases: compile /etc/aliases into /etc/aliases.cdb, for fastforward.

Contract     newaliases(1). 0; 100 for misuse or an address that is too long; 111 for
             anything else. But for 0 the old database stays as it is.
"""

from __future__ import annotations

import posix

from pytools.base.cdb import database
from pytools.base.exits import Strerr
from qmail.forwarding.aliases import compile_aliases
from qmail.forwarding.files import read_completion, read_source, store
from qmail.forwarding.source import Refused

SOURCE = b"/etc/aliases"
TMP = b"/etc/aliases.tmp"
CDB = b"/etc/aliases.cdb"

ERRORS = Strerr(b"newaliases")


def main(argv: list[bytes]) -> int:
    posix.umask(0o033)
    if len(argv) > 1:
        # COMPAT: the original reads no arguments. sendmail's newaliases takes some, for
        # other files than this one, and then another database is wanted than ours.
        raise ERRORS.usage(b"newaliases")
    completion = read_completion(ERRORS, {})
    text = read_source(SOURCE, ERRORS)
    try:
        data = database(compile_aliases(text, completion))
    except Refused as refused:
        raise ERRORS.fatal(refused.reason, code=refused.code) from None
    store(CDB, data, TMP, ERRORS)
    return 0
