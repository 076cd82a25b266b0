"""svscanboot: start svscan in a clean room, with its messages where ps shows them.

Contract     svscanboot [ -k ] [ -t seconds ] [ directory ] (default /service).
             Descriptors 0 to 2 become /dev/null, the environment becomes PATH alone;
             supervises left over there are told to stop and leave, with -k they are
             kept; then this process is svscan (with -t, if given), and its child, by a
             pipe from descriptors 1 and 2, readproctitle.
Process 1    works as such: svscan keeps this process's id, reaps what comes, and takes
             everything down on TERM.
Exit         100 misused, 111 if it cannot be set up; else it stays, as svscan does.
"""

from __future__ import annotations

import posix

from pytools.base import fds
from pytools.base.environment import environ
from pytools.base.exits import Next, Strerr
from pytools.base.options import BadOption, getopt
from pytools.process import child, title
from pytools.supervision import control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

STRERR = Strerr(b"svscanboot")
USAGE = b"svscanboot [ -k ] [ -t seconds ] [ directory ]"
SCAN_DIRECTORY = b"/service"
PATH = (
    b"/command:/usr/local/bin:/usr/local/sbin:/bin:/sbin:/usr/bin:/usr/sbin"
    b":/usr/X11R6/bin"
)
READPROCTITLE = [b"readproctitle", b"service", b"errors:", b"." * 400]


def main(argv: list[bytes]) -> NoReturn:
    """Clean up, fork readproctitle, become svscan."""
    try:
        options, rest = getopt(argv[1:], b"kt:")
    except BadOption:
        raise STRERR.usage(USAGE) from None
    svscan = [b"svscan"]
    for letter, value in options:
        if letter == b"t":
            if not value.isdigit():
                raise STRERR.usage(USAGE)
            svscan[1:] = [b"-t", value]
    directory = rest[0] if rest else SCAN_DIRECTORY
    # The first title finds the memory that ps reads by way of the environment, which
    # svscan will find moved.
    title.announce(b"svscanboot", argv, stays=True)
    environ[b"PATH"] = PATH
    try:
        null = posix.open(b"/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
        fds.arrange({0: null, 1: null, 2: null})
        if all(letter != b"k" for letter, _ in options):
            stop_leftovers(directory)
        read_end, write_end = fds.pipe()
        child.fork(lambda: _become_readproctitle(read_end))
        posix.close(read_end)
        fds.arrange({1: write_end, 2: write_end})
    except OSError as error:
        raise STRERR.fatal(b"unable to set up svscan", error=error) from None
    # COMPAT: the original stays as a shell that waits for both. This way the process
    # that init started ends when svscan does, so that init can start it again at once.
    raise Next([*svscan, directory], {b"PATH": PATH})


def stop_leftovers(directory: bytes) -> None:
    """As ``svc -dx directory/* directory/*/log``, and as silent as that is here."""
    try:
        names = sorted(posix.listdir(directory))
    except OSError:
        return
    services = [directory + b"/" + name for name in names if name[:1] != b"."]
    for service in services + [service + b"/log" for service in services]:
        try:
            control.send(control.open_control(service), b"dx")
        except OSError:
            pass


def _become_readproctitle(read_end: int) -> NoReturn:
    fds.move(read_end, 0)
    # It writes into the memory of its own arguments: only exec gives it that.
    raise Next(READPROCTITLE, {b"PATH": PATH}, must_exec=True)
