"""A program that says yes or no: how bouncesaying, condredirect and except ask it.

Contract     the program gets the descriptors and the environment of the caller. Its
             status 0 is yes, 111 ends the caller with 111, as does a signal, and
             everything else is no. One that cannot be run is 111 if that may pass, and
             else a no; nothing is printed about it.
"""

from __future__ import annotations

from pytools.base.exits import TEMPORARY, USAGE, Exit, Next, is_temporary
from pytools.process import child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from pytools.base.exits import Strerr


def holds(command: list[bytes], prog: Strerr) -> bool:
    """Run the command; True if it says yes. Exit when it cannot say."""

    def body() -> NoReturn:
        raise Next(command, on_error=_cannot_run, execvp=True)

    try:
        pid = child.fork(body)
    except OSError as error:
        raise prog.fatal(b"unable to fork", error=error) from None
    try:
        status = child.wait_for(pid)
    except OSError:
        # Whoever started us ignores SIGCHLD: the kernel has thrown the status away.
        raise prog.fatal(b"wait failed") from None
    if status & 127:
        raise prog.fatal(b"child crashed")
    if status >> 8 == TEMPORARY:
        raise prog.fatal(b"temporary child error")
    return status == 0


def _cannot_run(error: OSError) -> Exit:
    return Exit(TEMPORARY if is_temporary(error) else USAGE)
