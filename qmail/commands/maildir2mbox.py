"""maildir2mbox: move the messages of a Maildir into an mbox.

Contract     $MAILDIR, $MAIL the mbox, $MAILTMP a new file on the same file system. 0
             when all messages are in the mbox, also when there are none; else 111 and
             the mbox is what it was.
"""

from __future__ import annotations

import posix

from pytools.base.environment import environ
from pytools.base.exits import Strerr
from qmail.local import maildirlist, tombox
from qmail.local.mboxlock import lock_mailbox

PROG = Strerr(b"maildir2mbox")


def main(argv: list[bytes]) -> int:
    """Move what there is."""
    posix.umask(0o077)
    mbox, tmp = _wanted(b"MAIL"), _wanted(b"MAILTMP")
    maildirlist.enter(PROG)
    messages = maildirlist.messages((b"new", b"cur"), PROG)
    if not messages:
        return 0
    try:
        fd = tombox.locked(mbox, lock_mailbox)
        tombox.replace(mbox, tmp, messages)
    except tombox.Trouble as trouble:
        raise PROG.fatal(trouble.what, error=trouble.error) from None
    for message, error in tombox.remove(messages):
        what = b" will be delivered twice; unable to unlink"
        PROG.warn(b"$MAILDIR/", message.path, what, error=error)
    posix.close(fd)
    return 0


def _wanted(name: bytes) -> bytes:
    value = environ.get(name)
    if value is None:
        raise PROG.fatal(name, b" not set")
    return value
