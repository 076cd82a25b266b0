"""qmail-rspawn: make remote deliveries for qmail-send.

Contract     fd 0 commands, fd 1 reports. 0 at end of file when all is done, 111 if it
             cannot begin. Forgets at its start which hosts had timed out. Warm parent
             of qmail-remote, and of the one process that asks the name servers.
"""

from __future__ import annotations

import posix

from pytools.base import runtime
from pytools.base.exits import Strerr
from pytools.process import chain, child
from pytools.process.resolver import Resolver
from qmail.control import tcpto
from qmail.control.ids import Ids, lookup_warm
from qmail.spawn import loop, remote, reports


def main(argv: list[bytes], ids: Ids | None = None) -> int:
    """Serve to the end of the commands; ``ids`` are the accounts if they are known."""
    strerr = Strerr(b"qmail-rspawn")
    try:
        known = ids or lookup_warm()
    except OSError as error:
        raise strerr.fatal(b"unable to look up accounts", error=error) from None
    loop.hide_inherited()
    try:
        posix.chdir(runtime.home)
        _forget_timeouts()
        posix.chdir(b"queue/mess")
    except OSError as error:
        raise strerr.fatal(
            b"unable to chdir to ", runtime.home, b"/queue/mess", error=error
        ) from None
    chain.preload([remote.PROGRAM])
    resolver = Resolver()
    try:
        resolver.start()
    except OSError:
        # Every qmail-remote then asks the name servers by itself; the loop tries again.
        pass
    child.settle()
    kind = loop.Kind(remote.deliver, reports.remote_output, reports.remote_report)
    return loop.Spawner(kind, known.qmailq, resolver).run()


def _forget_timeouts() -> None:
    try:
        # No lock: a qmail-remote left over from before must not keep mail waiting.
        tcpto.clear(lock=False)
        tcpto.clear6(lock=False)
    except OSError:
        pass
