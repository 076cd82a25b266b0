"""A log's processor: ``!cmd`` as /bin/sh runs it, on a log that is full.

Descriptors  0 previous, 1 processed (made empty), 4 state, 5 newstate (made empty).
"""

from __future__ import annotations

import posix

from pytools.base import fds
from pytools.base.exits import Exit, Next
from pytools.multilog.files import FLAGS, OPEN_MODE, STRERR, TRUNCATE
from pytools.process import child

SHELL = b"/bin/sh"
FILES = (
    (0, b"previous", posix.O_RDONLY),
    (1, b"processed", TRUNCATE),
    (4, b"state", posix.O_RDONLY),
    (5, b"newstate", TRUNCATE),
)


def run_processor(command: bytes) -> int:
    """Run it in the current directory; its raw wait status. OSError: no process."""

    def failed(error: OSError) -> Exit:
        return STRERR.fatal(b"unable to run ", command, error=error)

    def body() -> int:
        try:
            fds.arrange(
                {n: posix.open(file, how | FLAGS, OPEN_MODE) for n, file, how in FILES}
            )
        except OSError as error:
            raise failed(error) from None
        raise Next([b"sh", b"-c", command], path=SHELL, on_error=failed)

    return child.wait_for(child.fork(body))
