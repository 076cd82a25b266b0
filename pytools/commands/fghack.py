"""fghack: keep a program in the foreground that puts itself into the background.

Contract     fghack child ...; the child gets the end of a pipe 31 times over,
             and is taken to have ended when nobody holds it any more.
Exit         100 usage, 111 a failure or a child killed by a signal; else the child's.
"""

from __future__ import annotations

import fcntl
import posix

from pytools.base import fds
from pytools.base.exits import Next, Strerr
from pytools.process import child

STRERR = Strerr(b"fghack")
COPIES = 30
"""A program that closes the first few descriptors it finds misses one of so many."""


def next_program(argv: list[bytes]) -> list[bytes] | None:
    """The chain that will run."""
    return argv[1:] or None


def main(argv: list[bytes]) -> int:
    """Start the program, and wait until all its descendants are gone."""
    if len(argv) < 2:
        raise STRERR.usage(b"fghack child")
    try:
        read_end, write_end = posix.pipe2(0)
    except OSError as error:
        raise STRERR.fatal(b"unable to create pipe", error=error) from None

    def become() -> int:
        posix.close(read_end)
        hold_many(write_end)
        raise Next(argv[1:])

    try:
        pid = child.fork(become)
    except OSError as error:
        raise STRERR.fatal(b"unable to fork", error=error) from None
    posix.close(write_end)
    wait_for_end(read_end)
    try:
        status = child.wait_for(pid)
    except OSError as error:
        raise STRERR.fatal(b"wait failed", error=error) from None
    if posix.WIFSIGNALED(status):
        raise STRERR.fatal(b"child crashed")
    return posix.WEXITSTATUS(status)


def hold_many(fd: int) -> None:
    """Open the descriptor again and again, to be inherited across exec."""
    for _ in range(COPIES):
        try:
            fcntl.fcntl(fd, fcntl.F_DUPFD, 0)
        except OSError:
            # The limit of open descriptors: fewer have to do.
            return


def wait_for_end(fd: int) -> None:
    """Read until end of file; what somebody writes there is nothing to us."""
    try:
        while posix.read(fd, fds.BLOCK):
            pass
    except OSError:
        pass
