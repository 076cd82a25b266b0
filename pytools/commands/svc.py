"""svc: control services through their supervise.

Contract     svc [ -udopchaitkx ] directory ...; sends the letters, each once, in
             the order given. A directory that cannot be controlled is a warning.
Exit         0, 100 unknown option, 111 the current directory is lost.
"""

from __future__ import annotations

import errno
import posix

from pytools.base import signals
from pytools.base.exits import Exit, Strerr, complain
from pytools.base.options import BadOption, getopt
from pytools.supervision import control

STRERR = Strerr(b"svc")
OPTIONS = (
    b"svc options: u up, d down, o once, x exit, p pause, c continue, h hup, "
    b"a alarm, i interrupt, t term, k kill"
)


def main(argv: list[bytes]) -> int:
    """Send the commands to every directory named."""
    # A supervise that ends between open and write is a warning, not the end.
    signals.ignore(signals.SIGPIPE)
    try:
        options, directories = getopt(argv[1:], control.LETTERS)
    except BadOption as bad:
        name = argv[0].rpartition(b"/")[2]
        complain(b"%b: illegal option -- %b" % (name, bad.letter))
        raise Exit(100, OPTIONS) from None
    commands = b"".join(dict.fromkeys(letter for letter, _ in options))
    try:
        start = posix.open(b".", posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    except OSError as error:
        raise STRERR.fatal(b"unable to open current directory", error=error) from None
    for directory in directories:
        send_to(directory, commands)
        try:
            posix.fchdir(start)
        except OSError as error:
            raise STRERR.fatal(b"unable to set directory", error=error) from None
    return 0


def send_to(directory: bytes, commands: bytes) -> None:
    """Change to the directory and send; what goes wrong is a warning."""
    try:
        posix.chdir(directory)
    except OSError as error:
        STRERR.warn(b"unable to chdir to ", directory, error=error)
        return
    try:
        fd = control.open_control()
    except OSError as error:
        if error.errno == errno.ENXIO:
            STRERR.warn(b"unable to control ", directory, b": supervise not running")
        else:
            STRERR.warn(b"unable to control ", directory, error=error)
        return
    try:
        control.send(fd, commands)
    except OSError as error:
        STRERR.warn(b"error writing commands to ", directory, error=error)
