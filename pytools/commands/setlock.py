"""setlock: run a program with a file locked.

Contract     setlock [ -nNxX ] file program ...; the lock lives as long as the descriptor
             that the program inherits. -n does not wait; -x makes a failure silent.
Exit         100 usage, 111 no lock (0 with -x); else the program's own.
"""

from __future__ import annotations

import posix

from pytools.base import locks
from pytools.base.exits import Exit, Next, Strerr, complain
from pytools.base.fds import set_cloexec
from pytools.base.options import BadOption, getopt

STRERR = Strerr(b"setlock")
OPTIONS = b"nNxX"
USAGE = b"setlock [ -nNxX ] file program [ arg ... ]"
APPEND = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_NONBLOCK


def next_program(argv: list[bytes]) -> list[bytes] | None:
    """The chain that will run."""
    try:
        _, rest = getopt(argv[1:], OPTIONS)
    except BadOption:
        return None
    return rest[1:] or None


def main(argv: list[bytes]) -> int:
    """Lock, then become the program."""
    try:
        options, rest = getopt(argv[1:], OPTIONS)
    except BadOption as bad:
        name = argv[0].rpartition(b"/")[2]
        complain(b"%b: illegal option -- %b" % (name, bad.letter))
        raise STRERR.usage(USAGE) from None
    if len(rest) < 2:
        raise STRERR.usage(USAGE)
    wait, silent = True, False
    for letter, _ in options:
        if letter in b"nN":
            wait = letter == b"N"
        else:
            silent = letter == b"x"
    hold(rest[0], wait, silent)
    raise Next(rest[1:])


def hold(file: bytes, wait: bool, silent: bool) -> None:
    """Open and lock; the descriptor stays open across exec."""
    try:
        fd = posix.open(file, APPEND, 0o600)
    except OSError as error:
        if silent:
            raise Exit(0) from None
        raise STRERR.fatal(b"unable to open ", file, error=error) from None
    set_cloexec(fd, on=False)
    try:
        if wait:
            locks.lock_ex(fd)
        else:
            locks.lock_ex_nb(fd)
    except OSError as error:
        if silent:
            raise Exit(0) from None
        raise STRERR.fatal(b"unable to lock ", file, error=error) from None
