"""The messages of a Maildir, for programs that hand them on: maildir2mbox and others.

Contract     the working directory is the Maildir, whose messages are those that
             qmail.local.mailbox finds there.
Format       maildir(5).
"""

from __future__ import annotations

import posix
import time

from pytools.base.environment import environ
from qmail.local import mailbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.exits import Strerr
    from qmail.local.mailbox import Messages


def enter(prog: Strerr) -> None:
    """Make $MAILDIR the working directory; Exit if it cannot be."""
    maildir = environ.get(b"MAILDIR")
    if maildir is None:
        raise prog.fatal(b"MAILDIR not set")
    try:
        posix.chdir(maildir)
    except OSError as error:
        raise prog.fatal(b"unable to chdir to ", maildir, error=error) from None


def messages(subdirectories: tuple[bytes, ...], prog: Strerr) -> Messages:
    """Clean, then scan, as of now; Exit if a subdirectory cannot be listed."""
    now = int(time.time())
    mailbox.clean_tmp(now)
    try:
        return mailbox.scan(now, subdirectories, doubles=True)
    except OSError as error:
        what = b"unable to scan $MAILDIR/" + error.filename
        raise prog.fatal(what, error=error) from None
