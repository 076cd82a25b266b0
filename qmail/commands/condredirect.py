"""condredirect: send the message elsewhere if a program says so, from a .qmail file.

Contract     condredirect newaddress program [arg ...], run by qmail-local with SENDER
             and DTLINE set; fd 0 message. If the program says yes
             (qmail.local.conditions) the message is queued for ``newaddress``: 99, and
             ``condredirect: qp N`` on stderr. 0 if it says no; 100 for misuse or a
             refusal for good, 111 for now.
"""

from __future__ import annotations

import posix

from pytools.base import fds, signals
from pytools.base.environment import environ
from pytools.base.exits import TEMPORARY, USAGE, Exit, Strerr
from qmail.local import conditions
from qmail.queue.inject import Submission

PROG = Strerr(b"condredirect")
STOP = 99
"""The message is done with: qmail-local leaves out the lines that follow."""


def main(argv: list[bytes]) -> int:
    """Ask the program; queue the message for the new address."""
    if len(argv) < 3:
        raise PROG.usage(b"condredirect newaddress program [ arg ... ]")
    if not conditions.holds(argv[2:], PROG):
        return 0
    try:
        posix.lseek(0, 0, 0)
    except OSError as error:
        raise PROG.fatal(b"unable to rewind", error=error) from None
    signals.ignore(signals.SIGPIPE)
    for name in (b"SENDER", b"DTLINE"):
        if name not in environ:
            raise PROG.fatal(name, b" not set", code=USAGE)
    submission = Submission()
    submission.put(environ[b"DTLINE"])
    try:
        while chunk := posix.read(0, fds.BLOCK):
            submission.put(chunk)
    except OSError as error:
        submission.fail()
        submission.close()
        raise PROG.fatal(b"unable to read message", error=error) from None
    submission.sender(environ[b"SENDER"])
    submission.recipient(argv[1])
    verdict = submission.close()
    if verdict:
        code = USAGE if verdict.startswith(b"D") else TEMPORARY
        raise PROG.fatal(verdict[1:], code=code)
    raise Exit(STOP, b"condredirect: qp %d" % submission.qp)
