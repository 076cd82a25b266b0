"""``=file``: the newest selected line, always in the same 1001 bytes.

The file is overwritten in place, in one write, so that a reader sees one line or the
other: the line, cut at 1000 bytes and filled up with newlines.
"""

from __future__ import annotations

import posix
import time

from pytools.base.durable import close_quietly
from pytools.base.fds import set_cloexec
from pytools.multilog.files import PAUSE_SECONDS, STRERR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.multilog.seams import Pause

MODE = 0o600
CREATE = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_NONBLOCK


class StatusFile:
    """A status file, open for as long as multilog runs."""

    __slots__ = ("_fd", "_name", "_pause")

    def __init__(self, name: bytes, pause: Pause = time.sleep) -> None:
        self._name = name
        self._pause = pause
        try:
            close_quietly(posix.open(name, CREATE, MODE))
        except OSError as error:
            raise STRERR.fatal(b"unable to create ", name, error=error) from None
        try:
            self._fd = posix.open(name, posix.O_WRONLY | posix.O_NONBLOCK)
        except OSError as error:
            raise STRERR.fatal(b"unable to write ", name, error=error) from None
        set_cloexec(self._fd)

    def show(self, content: bytes) -> None:
        """Overwrite the file; tries until it works."""
        while True:
            try:
                if posix.pwrite(self._fd, content, 0) == len(content):
                    return
                trouble = None
            except OSError as error:
                trouble = error
            STRERR.warn(b"unable to write ", self._name, b", pausing", error=trouble)
            self._pause(PAUSE_SECONDS)
