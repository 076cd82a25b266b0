"""multilog: read lines, and keep them in automatically rotated logs.

Contract     multilog script: an action a word, see pytools/multilog/script.py.
Signals      TERM ends it at the next newline, ALRM rotates now; both also while it
             waits for a disk or a processor, which they do not interrupt.
Exit         0 end of input or TERM, 111 a log could not be opened at the start.
"""

from __future__ import annotations

import posix

from pytools.base.signals import SIGALRM, SIGCHLD, SIGTERM, SelfPipe, set_default
from pytools.multilog.directory import LogDirectory
from pytools.multilog.files import STRERR
from pytools.multilog.loop import Loop
from pytools.multilog.script import parse
from pytools.multilog.statusfile import StatusFile


def main(argv: list[bytes]) -> int:
    """Open everything that the script names, then read to the end."""
    posix.umask(0o022)
    # COMPAT: ignored, as whoever started us may have left it, the kernel keeps no status
    # of a processor. The original never learns then that one has succeeded.
    set_default(SIGCHLD)
    try:
        start = posix.open(b".", posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    except OSError as error:
        raise STRERR.fatal(
            b"unable to switch to current directory", error=error
        ) from None
    # Before the logs are opened: a TERM in the middle of a start must not leave a log
    # that looks like a crash.
    try:
        signals = SelfPipe((SIGTERM, SIGALRM))
    except OSError as error:
        raise STRERR.fatal(b"unable to create pipe", error=error) from None
    script = parse(argv[1:])
    statuses = [StatusFile(name) for name in script.statuses]
    directories = [LogDirectory(spec, start) for spec in script.directories]
    Loop(script, statuses, directories, signals).run()
    for directory in directories:
        directory.close()
    return 0
