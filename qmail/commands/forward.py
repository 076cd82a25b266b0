"""forward: send the message on to other addresses, from a line of a .qmail file.

Contract     forward address ..., run by qmail-local with NEWSENDER and DTLINE set; fd 0
             message. 0 and ``forward: qp N`` on stderr; 100 for misuse or a refusal for
             good, 111 for a refusal for now.
"""

from __future__ import annotations

import posix

from pytools.base import fds, signals
from pytools.base.environment import environ
from pytools.base.exits import TEMPORARY, USAGE, Exit, Strerr
from qmail.queue.inject import Submission


def main(argv: list[bytes]) -> int:
    """Queue the message of descriptor 0 for the addresses of ``argv``."""
    strerr = Strerr(b"forward")
    signals.ignore(signals.SIGPIPE)
    for name in (b"NEWSENDER", b"DTLINE"):
        if name not in environ:
            raise strerr.fatal(name, b" not set", code=USAGE)
    submission = Submission()
    submission.put(environ[b"DTLINE"])
    try:
        while chunk := posix.read(0, fds.BLOCK):
            submission.put(chunk)
    except OSError as error:
        submission.fail()
        submission.close()
        raise strerr.fatal(b"unable to read message", error=error) from None
    submission.sender(environ[b"NEWSENDER"])
    for address in argv[1:]:
        submission.recipient(address)
    verdict = submission.close()
    if verdict:
        code = USAGE if verdict.startswith(b"D") else TEMPORARY
        raise strerr.fatal(verdict[1:], code=code)
    raise Exit(0, b"forward: qp %d" % submission.qp)
