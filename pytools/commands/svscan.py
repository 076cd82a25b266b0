"""svscan: a supervise for every directory in a directory, and for every log in those.

Contract     svscan [ -t seconds ] [ directory ]; looks every five seconds, and at once
             when an entry comes or goes. The parent of every supervise, which it forks
             without exec.
Signals      as process 1, or with -t: TERM, INT and PWR take everything down, in order,
             and end it. As process 1: HUP and ALRM have it look now. Else all of them
             end it at once, and nothing else.
Exit         0 everything was taken down (or what .svscan/finish exits with), 1 something
             is left, 100 misused, 111 if the directory cannot be entered.
"""

from __future__ import annotations

import posix
import select

from pytools.base import signals
from pytools.base.exits import Exit, Next, Strerr
from pytools.base.options import scan_ulong
from pytools.process import chain, child
from pytools.supervision import shutdown, watching
from pytools.supervision.scanner import INTERVAL_SECONDS, Scanner

STRERR = Strerr(b"svscan")
USAGE = b"svscan [ -t seconds ] [ directory ]"
DEFAULT_SECONDS = 6
"""For services to end; with what logs and orphans get, below a container's usual ten."""
BURST_SECONDS = 0.1
"""Between two looks because of changes."""
FINISH = b".svscan/finish"
ENDING = {
    signals.SIGTERM: b"term",
    signals.SIGINT: b"int",
    watching.SIGPWR: b"pwr",
}


def main(argv: list[bytes]) -> int:
    """Enter the directory and scan until told to end."""
    seconds, directory = _arguments(argv)
    if directory is not None:
        try:
            posix.chdir(directory)
        except OSError as error:
            raise STRERR.fatal(b"unable to chdir to ", directory, error=error) from None
    is_init = posix.getpid() == 1
    scanner = Scanner(STRERR)
    own = frozenset(shutdown.children()) if is_init else None
    # An inherited "ignore" would have the kernel reap in our place, silently.
    signals.set_default(signals.SIGCHLD)
    # COMPAT: the original dies of a warning when readproctitle is gone. PIPE is caught,
    # not ignored: the services are to find the default.
    numbers = [signals.SIGCHLD, signals.SIGPIPE, watching.SIGIO]
    if is_init:
        # COMPAT: the kernel does not let a default action end process 1, so that the
        # original cannot be ended, and these would do nothing.
        numbers += [signals.SIGHUP, signals.SIGALRM]
    if is_init or seconds is not None:
        numbers += ENDING
    try:
        loop = Loop(scanner, signals.SelfPipe(numbers))
    except OSError as error:
        raise STRERR.fatal(b"unable to create pipe", error=error) from None
    watching.watch()
    scanner.starter.limit.lift()
    chain.preload([b"supervise"])
    child.settle()
    ending = loop.run()
    if seconds is None:
        seconds = DEFAULT_SECONDS
    is_through = shutdown.Shutdown(scanner, loop.wait, seconds, own).run()
    if not is_through:
        STRERR.warn(b"unable to end every supervise in time")
    if posix.access(FINISH, posix.X_OK, effective_ids=True):
        for service in scanner.services.values():
            service.close_pipe()
        scanner.starter.limit.restore()
        raise Next([b"./" + FINISH, ENDING[ending]], on_error=_cannot_finish)
    return 0 if is_through else 1


def _arguments(argv: list[bytes]) -> tuple[int | None, bytes | None]:
    """(seconds of -t, directory).

    COMPAT: the original takes any first word for a directory. A directory ``-t`` is
    ``./-t`` here, if another word follows.
    """
    if argv[1:2] != [b"-t"] or len(argv) < 3:
        return None, argv[1] if len(argv) > 1 else None
    seconds, digits = scan_ulong(argv[2])
    if not digits or digits != len(argv[2]):
        raise STRERR.usage(USAGE)
    return seconds, argv[3] if len(argv) > 3 else None


class Loop:
    """When to look: every five seconds, and soon after whatever a signal tells."""

    __slots__ = ("_full_at", "_pipe", "_poll", "_scanner")

    def __init__(self, scanner: Scanner, pipe: signals.SelfPipe) -> None:
        self._scanner = scanner
        self._pipe = pipe
        self._poll = select.poll()
        self._poll.register(pipe.fd, select.POLLIN)
        self._full_at = 0.0

    def run(self) -> int:
        """The number of the signal that ended it."""
        scanner = self._scanner
        changed_at = 0.0
        is_changed = False
        while True:
            now = scanner.clock()
            soon = changed_at + BURST_SECONDS if is_changed else scanner.again_at
            due = min(self._full_at, soon, scanner.again_at)
            if now >= due:
                is_changed = False
                changed_at = now
                self._look(now >= self._full_at)
                continue
            for number in self.wait(due - now):
                if number in ENDING:
                    return number
                if number == watching.SIGIO:
                    is_changed = True
                elif number in (signals.SIGHUP, signals.SIGALRM):
                    self._full_at = 0.0
            scanner.bury()

    def wait(self, seconds: float) -> list[int]:
        """The signals that came, at the latest after so long."""
        self._poll.poll(int(seconds * 1000) + 1)
        return self._pipe.drain()

    def _look(self, is_full: bool) -> None:
        try:
            self._scanner.scan(is_full)
        except (OSError, MemoryError):
            # INVARIANT: as process 1, or below an init that does not respawn, the
            # end of this loop would be the end of every restart.
            STRERR.warn(b"unable to finish a scan, trying again in five seconds")
        if is_full:
            self._full_at = self._scanner.clock() + INTERVAL_SECONDS


def _cannot_finish(error: OSError) -> Exit:
    return STRERR.fatal(b"unable to run ", FINISH, error=error)
