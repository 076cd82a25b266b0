"""Passing the message of descriptor 0 on to a program.

Contract     descriptor 0 is the message, a file at its beginning, before and after each
             program. What cannot be done ends the program: 100 for good, 111 for now.
"""

from __future__ import annotations

import posix

from pytools.base.exits import TEMPORARY, USAGE, Exit
from pytools.process import child
from qmail.mail.delivering import FOR_GOOD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytools.base.exits import Strerr


def start(body: Callable[[], int], errors: Strerr) -> int:
    """The pid of a child that runs ``body``."""
    try:
        return child.fork(body)
    except OSError as error:
        raise errors.fatal(b"unable to fork", error=error) from None


def finish(pid: int, what: bytes, errors: Strerr) -> None:
    """Wait for the program ``pid``, then ``conclude``."""
    try:
        status = child.wait_for(pid)
    except OSError as error:
        # Whoever started us ignores SIGCHLD: the kernel has thrown the status away.
        raise errors.fatal(b"wait failed", what, error=error) from None
    if not posix.WIFEXITED(status):
        raise errors.fatal(b"child crashed", what)
    conclude(posix.WEXITSTATUS(status), errors)


def conclude(code: int, errors: Strerr) -> None:
    """Exit if the program did; rewind the message for whoever comes next.

    COMPAT: 99 is no success here as it is in a .qmail file, but try again.
    """
    if code:
        raise Exit(USAGE if code in FOR_GOOD else TEMPORARY)
    try:
        posix.lseek(0, 0, 0)
    except OSError as error:
        raise errors.fatal(b"unable to rewind input", error=error) from None
