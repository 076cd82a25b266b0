"""A program with a copier before it, which sees all that goes in and comes out.

Who          the process becomes the program, so that pid and exit status are the
             program's; its child copies, descriptor 0 to the program's standard input
             and the program's standard output to descriptor 1.
Ends         end of file on 0: the program's input is closed, its output still copied.
             The program's output closed, or 1 broken: the copier ends.
COMPAT       the program's input broken: the rest of 0 is not wanted, the output is
             copied on. The original's copier ends there, and loses what is under way.
INVARIANT    one side that does not read never holds up the other (flow.py).
Not reusable (chain.is_reusable): each run leaves a child behind.
"""

from __future__ import annotations

import posix
import select

from pytools.base import fds, signals
from pytools.base.exits import Next
from pytools.process import child
from pytools.ucspi.flow import Flow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.exits import Strerr
    from pytools.ucspi.flow import See


def copy_both(inward: Flow, outward: Flow) -> None:
    """Copy until the program's output has ended."""
    while not outward.over:
        flows = [flow for flow in (inward, outward) if not flow.over]
        poll = select.poll()
        for flow in flows:
            poll.register(*flow.awaits())
        ready = {fd for fd, _ in poll.poll()}
        for flow in flows:
            if flow.awaits()[0] in ready:
                flow.step()
        if inward.over and inward in flows:
            posix.close(inward.sink)


def program_behind(
    argv: list[bytes], strerr: Strerr, see_in: See, see_out: See
) -> Next:
    """Start the copier; the program that this process is to become. Raises Exit."""
    try:
        to_program, from_program = fds.pipe(), fds.pipe()
    except OSError as error:
        raise strerr.fatal(b"unable to create pipe", error=error) from None

    def copier() -> int:
        signals.ignore(signals.SIGPIPE)
        posix.close(to_program[0])
        posix.close(from_program[1])
        copy_both(Flow(0, to_program[1], see_in), Flow(from_program[0], 1, see_out))
        return 0

    try:
        child.fork(copier)
    except OSError as error:
        raise strerr.fatal(b"unable to fork", error=error) from None
    posix.close(to_program[1])
    posix.close(from_program[0])
    try:
        fds.move(to_program[0], 0)
        fds.move(from_program[1], 1)
    except OSError as error:
        raise strerr.fatal(b"unable to move descriptors", error=error) from None
    return Next(argv)
