"""qmail-tcpok: forget all hosts that did not answer, so that they are tried again.

Contract     0, or 111 and a line on stderr.
SECURITY: the directory of the table belongs to qmailq, who may put a link to any file in
the table's place. Root, as whom the operator runs this, clears it as its owner, qmailr.
"""

from __future__ import annotations

import posix

from pytools.base import accounts, runtime
from pytools.base.exits import Strerr
from qmail.control import ids, tcpto


def main(argv: list[bytes]) -> int:
    """Clear the tables."""
    path = runtime.home + b"/" + tcpto.PATH
    try:
        if posix.geteuid() == 0:
            known = ids.lookup()
            accounts.set_gid(known.qmail)
            accounts.set_uid(known.qmailr)
        tcpto.clear(path)
        path = runtime.home + b"/" + tcpto.PATH6
        tcpto.clear6(path)
    except OSError as error:
        raise Strerr(b"qmail-tcpok").fatal(
            b"unable to clear ", path, error=error
        ) from None
    return 0
