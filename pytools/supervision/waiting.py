"""svc -w: wait until services are where they are wanted.

Notice       supervise replaces a file in its directory at each change, and the kernel
             tells who watches that directory (see watching.py). Where it does not, and
             for a supervise that comes or is killed, there is a look now and then.
Wishes       ``u`` up, ``U`` up and ready, ``d`` down, ``D`` down and ./finish over, ``r``
             started anew since the commands were sent, ``R`` that, and ready.
"""

from __future__ import annotations

import select
import time

from pytools.base import signals
from pytools.supervision import report, watching

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.supervision.report import Report

WISHES = (b"u", b"U", b"d", b"D", b"r", b"R")
WORDS = {
    b"u": b"up",
    b"U": b"up and ready",
    b"d": b"down",
    b"D": b"down and finished",
    b"r": b"started again",
    b"R": b"started again and ready",
}
WATCHED_MILLISECONDS = 1000
"""A look that often where the kernel tells of changes."""
UNWATCHED_MILLISECONDS = 50


def is_reached(wish: bytes, seen: Report, stamp: bytes) -> bool:
    """True if the service is where it should be; ``stamp`` is that of before."""
    if seen.problem or seen.changing:
        return False
    if wish in (b"d", b"D"):
        finishing = seen.last is not None and seen.last.finishing
        # One that lost its supervise may run on, and nobody would know.
        return seen.pid == 0 and not (wish == b"D" and seen.supervised and finishing)
    if not seen.up or (wish in (b"r", b"R") and seen.stamp == stamp):
        return False
    return wish in (b"u", b"r") or seen.ready is not False


class Waiter:
    """Waits for several directories; make it before the commands are sent."""

    __slots__ = ("_pipe", "_unwatched", "stamps")

    def __init__(self, directories: list[bytes]) -> None:
        self._pipe = signals.SelfPipe((watching.SIGIO,))
        self._unwatched = directories
        self.stamps = {name: report.look(name).stamp for name in directories}
        self._watch()

    def wait(self, directories: list[bytes], wish: bytes, seconds: int) -> list[bytes]:
        """The directories where the wish has not come true within the time."""
        left = directories
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._pipe.fd, select.POLLIN)
        while True:
            left = [
                name
                for name in left
                if not is_reached(wish, report.look(name), self.stamps[name])
            ]
            milliseconds = int((deadline - time.monotonic()) * 1000)
            if not left or milliseconds <= 0:
                return left
            pause = UNWATCHED_MILLISECONDS if self._unwatched else WATCHED_MILLISECONDS
            poll.poll(min(pause, milliseconds))
            self._pipe.drain()
            self._watch()

    def _watch(self) -> None:
        # A new service's directory ``supervise`` is not there at first.
        self._unwatched = [
            name for name in self._unwatched if not watching.watch(name + b"/supervise")
        ]
