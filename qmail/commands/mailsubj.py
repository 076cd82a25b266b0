"""mailsubj: send the text of descriptor 0, with a subject, to some recipients.

Contract     mailsubj subject recipient ...; the status is qmail-inject's; 100 for
             misuse, 111 when that cannot be run or the text cannot be read.
"""

from __future__ import annotations

from pytools.base import runtime
from pytools.base.exits import Exit, Strerr
from qmail.local.feeding import Trouble, feed

PROG = Strerr(b"mailsubj")


def main(argv: list[bytes]) -> int:
    """Feed the header and the text to qmail-inject."""
    if len(argv) < 2:
        # COMPAT: the original, a shell script, ends with whatever its shell makes of
        # the missing word.
        raise PROG.usage(b"mailsubj subject recipient ...")
    command = [runtime.home + b"/bin/qmail-inject"]

    def cannot_run(error: OSError) -> Exit:
        return PROG.fatal(b"unable to run ", command[0], error=error)

    try:
        return feed(command, header(argv[1], argv[2:]), cannot_run)
    except Trouble as trouble:
        raise PROG.fatal(trouble.what, error=trouble.error) from None


def header(subject: bytes, recipients: list[bytes]) -> bytes:
    """The header, with its blank line.

    COMPAT: the original has the words go through echo, for which a backslash or a first
    ``-n`` means something in some shells. SECURITY: a line break in a word would make a
    field, or the body, of what a script took from elsewhere; it becomes a blank.
    """
    to = b"".join(b" " + recipient for recipient in recipients)
    lines = (b"Subject: " + subject, b"To:" + to)
    return b"".join(line.replace(b"\n", b" ") + b"\n" for line in lines) + b"\n"
