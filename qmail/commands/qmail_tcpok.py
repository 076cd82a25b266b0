"""qmail-tcpok: forget all hosts that did not answer, so that they are tried again.

Contract     0, or 111 and a line on stderr.
"""

from __future__ import annotations

from pytools.base import runtime
from pytools.base.exits import Strerr
from qmail.control import tcpto


def main(argv: list[bytes]) -> int:
    """Clear the table."""
    path = runtime.home + b"/" + tcpto.PATH
    try:
        tcpto.clear(path)
    except OSError as error:
        raise Strerr(b"qmail-tcpok").fatal(
            b"unable to clear ", path, error=error
        ) from None
    return 0
