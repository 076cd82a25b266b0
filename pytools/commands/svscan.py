"""svscan: a supervise for every directory in a directory, and for every log in those.

Contract     svscan [ directory ]; looks every five seconds, never ends by itself. The
             parent of every supervise, which it forks without exec.
Exit         111 if the directory cannot be entered.
"""

from __future__ import annotations

import posix
import time

from pytools.base import signals
from pytools.base.exits import Strerr
from pytools.process import chain, child
from pytools.supervision.scanner import Scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

STRERR = Strerr(b"svscan")
INTERVAL_SECONDS = 5


def main(argv: list[bytes]) -> NoReturn:
    """Enter the directory and scan for ever."""
    if len(argv) > 1:
        try:
            posix.chdir(argv[1])
        except OSError as error:
            raise STRERR.fatal(b"unable to chdir to ", argv[1], error=error) from None
    # An inherited "ignore" would have the kernel reap in our place, silently.
    signals.set_default(signals.SIGCHLD)
    # COMPAT: the original dies of a warning when readproctitle is gone. Caught, not
    # ignored: the services are to find the default.
    signals.catch(signals.SIGPIPE, _survive)
    chain.preload([b"supervise"])
    child.settle()
    scanner = Scanner(STRERR)
    while True:
        try:
            scanner.scan()
        except (OSError, MemoryError):
            # INVARIANT: as process 1, or below an init that does not respawn, the
            # end of this loop would be the end of every restart.
            STRERR.warn(b"unable to finish a scan, trying again in five seconds")
        time.sleep(INTERVAL_SECONDS)


def _survive(number: int, frame: object) -> None:
    pass
