"""Copy two streams at once, without threads and without one waiting for the other.

End          the first stream's: what it brought is written, then it is over, whatever
             the second has left; its target is the one that went away. The end of the
             second only stops the second.
"""

from __future__ import annotations

import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.ucspi.flow import Flow


def relay(first: Flow, second: Flow) -> None:
    """Copy both until the first is at its end; they share no descriptor."""
    while not first.over:
        poll = select.poll()
        waiting: dict[int, Flow] = {}
        for flow in (first, second):
            if not flow.over:
                fd, event = flow.awaits()
                waiting[fd] = flow
                poll.register(fd, event)
        for fd, _ in poll.poll():
            waiting[fd].step()
