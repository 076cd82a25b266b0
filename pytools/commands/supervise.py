"""supervise: keep the service of one directory running.

Contract     supervise directory; starts ./run there, again and again, and obeys the
             bytes of supervise/control. See supervise(8), service-directory(5).
Exit         0 after ``x``, 100 usage, 111 the directory cannot be supervised.
"""

from __future__ import annotations

import posix

from pytools.base.exits import Strerr
from pytools.supervision.service import ServiceFiles
from pytools.supervision.supervisor import Supervisor

STRERR = Strerr(b"supervise")


def main(argv: list[bytes]) -> int:
    """Take the directory, then run the loop."""
    if len(argv) != 2:
        raise STRERR.usage(b"supervise dir")
    directory = argv[1]
    try:
        posix.chdir(directory)
    except OSError as error:
        raise STRERR.fatal(b"unable to chdir to ", directory, error=error) from None
    files = ServiceFiles(directory, STRERR)
    wanted_up = files.is_wanted_up()
    files.take()
    supervisor = Supervisor(files, STRERR, files.control)
    supervisor.begin(wanted_up)
    files.show()
    supervisor.run(wanted_up)
    return 0
