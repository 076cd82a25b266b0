"""predate: feed a message to a program, with a Date field in local time before it.

Contract     predate child [arg ...]; fd 0 message. The status is the child's; 100 for
             misuse, 111 when it cannot be run, was ended by a signal, or the message
             could not be read.
"""

from __future__ import annotations

import time

from pytools.base.exits import Exit, Strerr
from qmail.local.feeding import Trouble, feed
from qmail.mail.dates import rfc822

PROG = Strerr(b"predate")


def main(argv: list[bytes]) -> int:
    """Run the child with the date and the message."""
    command = argv[1:]
    if not command:
        raise PROG.usage(b"predate child")

    def cannot_run(error: OSError) -> Exit:
        return PROG.fatal(b"unable to run ", command[0], error=error)

    date = b"Date: " + local_date(int(time.time())) + b"\n"
    try:
        return feed(command, date, cannot_run)
    except Trouble as trouble:
        raise PROG.fatal(trouble.what, error=trouble.error) from None


def local_date(when: int) -> bytes:
    """``22 Nov 2026 15:10:53 +0100``: the date where we are."""
    offset = time.localtime(when).tm_gmtoff
    hours, minutes = divmod((abs(offset) + 30) // 60, 60)
    sign = b"-" if offset < 0 else b"+"
    clock = rfc822(when + offset).removesuffix(b"-0000")
    return b"%b%b%02d%02d" % (clock, sign, hours, minutes)
