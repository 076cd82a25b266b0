"""The child of qmail-rspawn: become qmail-remote for one recipient.

Contract     message on fd 0, the report's pipe on 1 and 2; cwd and uid as they are.
"""

from __future__ import annotations

from pytools.base import fds
from pytools.base.exits import TEMPORARY, USAGE, Exit, Next, is_temporary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from qmail.spawn.records import Command

PROGRAM = b"qmail-remote"


def deliver(command: Command, message: int, output: int) -> NoReturn:
    """The body of the child: ends as qmail-remote, found on $PATH."""
    try:
        fds.arrange({0: message, 1: output, 2: output})
    except OSError:
        raise Exit(TEMPORARY) from None
    raise Next(
        [PROGRAM, command.domain, command.sender, command.recipient],
        on_error=_cannot_run,
        execvp=True,
    )


def _cannot_run(error: OSError) -> Exit:
    return Exit(TEMPORARY if is_temporary(error) else USAGE)
