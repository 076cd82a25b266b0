"""qmail-lspawn: make local deliveries for qmail-send, each as the user it is for.

Contract     argv[1] the default delivery instruction; fd 0 commands, fd 1 reports.
             0 at end of file when all is done, 100 without argument, 111 if it cannot
             begin. Warm parent of qmail-getpw and qmail-local.
"""

from __future__ import annotations

import ctypes  # noqa: F401  # for qmail-getpw: see pytools.base.accounts.by_name
import posix

from pytools.base import runtime
from pytools.base.exits import USAGE, Strerr
from pytools.process import chain, child
from qmail.control.ids import Ids, lookup_warm
from qmail.spawn import local, loop, reports


def main(argv: list[bytes], ids: Ids | None = None) -> int:
    """Serve to the end of the commands; ``ids`` are the accounts if they are known."""
    if len(argv) < 2:
        return USAGE
    default_delivery = argv[1]
    strerr = Strerr(b"qmail-lspawn")
    try:
        known = ids or lookup_warm()
    except OSError as error:
        raise strerr.fatal(b"unable to look up accounts", error=error) from None
    loop.hide_inherited()
    try:
        posix.chdir(runtime.home)
        # The names are relative to the home directory, as in the children.
        chain.preload([local.PROGRAM])
        chain.preload([local.GETPW])
        posix.chdir(b"queue/mess")
    except OSError as error:
        raise strerr.fatal(
            b"unable to chdir to ", runtime.home, b"/queue/mess", error=error
        ) from None
    child.settle()
    kind = loop.Kind(
        lambda command, message, output: local.deliver(
            command, message, output, default_delivery, known
        ),
        reports.local_output,
        reports.local_report,
    )
    return loop.Spawner(kind, known.qmailq).run()
