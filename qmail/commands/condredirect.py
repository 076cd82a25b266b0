"""condredirect: send the message elsewhere if a program says so, from a .qmail file.

Contract     condredirect newaddress program [arg ...], run by qmail-local with SENDER
             and DTLINE set; fd 0 message. If the program says yes
             (qmail.local.conditions) the message is queued for ``newaddress``: 99, and
             ``condredirect: qp N`` on stderr. 0 if it says no; 100 for misuse or a
             refusal for good, 111 for now.
"""

from __future__ import annotations

import posix

from pytools.base import signals
from pytools.base.environment import environ
from pytools.base.exits import USAGE, Exit, Strerr
from qmail.local import conditions
from qmail.queue import onward

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
    qp = onward.submit(environ[b"DTLINE"], environ[b"SENDER"], argv[1:2], PROG)
    raise Exit(STOP, b"condredirect: qp %d" % qp)
