"""svc: control services through their supervise.

Contract     svc [ -udopchaitkx ] [ -w uUdDrR ] [ -T seconds ] directory ...; sends the
             letters, each once, in the order given; then, with -w, waits. A directory
             that cannot be controlled is a warning. See svc(8).
Exit         0, 100 misuse, 111 the current directory is lost, or with -w: a service
             is not where it was wanted.
"""

from __future__ import annotations

import errno
import posix

from pytools.base import signals
from pytools.base.exits import TEMPORARY, Exit, Strerr, complain
from pytools.base.options import BadOption, getopt, scan_ulong
from pytools.supervision import control

STRERR = Strerr(b"svc")
OPTIONS = (
    b"svc options: u up, d down, o once, x exit, p pause, c continue, h hup, "
    b"a alarm, i interrupt, t term, k kill"
)
# COMPAT: w and T are no letters of the original.
LETTERS = control.LETTERS + b"w:T:"
SECONDS = 60
"""How long -w waits."""


def main(argv: list[bytes]) -> int:
    """Send the commands to every directory named."""
    # A supervise that ends between open and write is a warning, not the end.
    signals.ignore(signals.SIGPIPE)
    try:
        options, directories = getopt(argv[1:], LETTERS)
    except BadOption as bad:
        name = argv[0].rpartition(b"/")[2]
        complain(b"%b: illegal option -- %b" % (name, bad.letter))
        raise Exit(100, OPTIONS) from None
    values = dict(options)
    commands = b"".join(letter for letter in values if letter in control.LETTERS)
    if b"w" in values:
        wish, seconds = values[b"w"], values.get(b"T", b"%d" % SECONDS)
        return send_and_wait(directories, commands, wish, seconds)
    send_all(directories, commands)
    return 0


def send_all(directories: list[bytes], commands: bytes) -> list[bytes]:
    """Send to each; gives back the directories where that was possible."""
    try:
        start = posix.open(b".", posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    except OSError as error:
        raise STRERR.fatal(b"unable to open current directory", error=error) from None
    told = []
    for directory in directories:
        if send_to(directory, commands):
            told.append(directory)
        try:
            posix.fchdir(start)
        except OSError as error:
            raise STRERR.fatal(b"unable to set directory", error=error) from None
    return told


def send_to(directory: bytes, commands: bytes) -> bool:
    """Change to the directory and send; what goes wrong is a warning."""
    try:
        posix.chdir(directory)
    except OSError as error:
        STRERR.warn(b"unable to chdir to ", directory, error=error)
        return False
    try:
        fd = control.open_control()
    except OSError as error:
        if error.errno == errno.ENXIO:
            STRERR.warn(b"unable to control ", directory, b": supervise not running")
        else:
            STRERR.warn(b"unable to control ", directory, error=error)
        return False
    try:
        control.send(fd, commands)
    except OSError as error:
        STRERR.warn(b"error writing commands to ", directory, error=error)
        return False
    return True


def send_and_wait(
    directories: list[bytes], commands: bytes, wish: bytes, seconds: bytes
) -> int:
    """Send, then wait for those that got it; without commands, for all."""
    # Who does not wait does not pay for the import.
    from pytools.supervision import waiting

    limit, digits = scan_ulong(seconds)
    if wish not in waiting.WISHES or not digits or digits < len(seconds):
        raise STRERR.usage(
            b"svc [ -udopchaitkx ] [ -w u|U|d|D|r|R ] [ -T seconds ] dir ..."
        )
    waiter = waiting.Waiter(directories)
    told = send_all(directories, commands) if commands else existing(directories)
    left = waiter.wait(told, wish, limit)
    for directory in left:
        STRERR.warn(
            directory, b" is not ", waiting.WORDS[wish], b" after %d seconds" % limit
        )
    return TEMPORARY if left or len(told) < len(directories) else 0


def existing(directories: list[bytes]) -> list[bytes]:
    """Those that there are; a supervise may yet come to them. Others: a warning."""
    found = []
    for directory in directories:
        try:
            posix.stat(directory + b"/." if directory else b"")
        except OSError as error:
            STRERR.warn(b"unable to chdir to ", directory, error=error)
        else:
            found.append(directory)
    return found
