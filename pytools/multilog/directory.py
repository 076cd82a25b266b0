"""An automatically rotated log: bytes go in, files of a bounded size come out.

Full         a file is full at ``size`` bytes, and at the first newline with which it
             reaches ``size`` - 2000: so it ends in a whole line unless one is longer.
Unbuffered   what ``append`` was given has been written when it returns: a process that
             is killed has lost no line that it read.
"""

from __future__ import annotations

import posix
import time

from pytools.base.locks import lock_ex_nb
from pytools.base.tai import tai64n
from pytools.multilog import recovery
from pytools.multilog.files import SAFE_MODE, LogFiles
from pytools.multilog.processor import run_processor
from pytools.multilog.rotation import rotate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytools.multilog.script import DirectorySpec
    from pytools.multilog.seams import LogFs, Pause, RunProcessor, Stamp

MARGIN = 2000


def cut(data: bytes, at: int, fill: int, size: int) -> tuple[int, bool]:
    """Where in ``data`` the write that starts ``at`` ends, and if it ends the file too.

    ``fill`` bytes, fewer than ``size``, are in the file already. A write that only
    fills it does not end it: what comes next finds no room.
    COMPAT: the first newline that is far enough ends the file; for the original it is
    the last one in the 512 bytes that it writes at once.
    """
    room = size - fill
    if len(data) - at < room - MARGIN:
        return len(data), False
    first = at + max(room - MARGIN - 1, 0)
    newline = data.find(b"\n", first, at + room)
    if newline >= 0:
        return newline + 1, True
    return min(len(data), at + room), False


class LogDirectory:
    """A log directory that this process writes to."""

    __slots__ = ("_fd", "_files", "_fill", "_processor", "_run", "_size")

    def __init__(
        self,
        spec: DirectorySpec,
        start: int,
        fs: LogFs = posix,
        pause: Pause = time.sleep,
        run: RunProcessor = run_processor,
        take_lock: Callable[[int], None] = lock_ex_nb,
        stamp: Stamp = tai64n,
    ) -> None:
        """Open it; ``start`` is the directory that relative names begin in."""
        fd = recovery.open_directory(spec.name, start, fs)
        recovery.lock(spec.name, fs, take_lock)
        self._files = LogFiles(spec.name, fd, spec.keep, fs, pause, stamp)
        self._size = spec.size
        self._processor = spec.processor
        self._run = run
        self._fd, self._fill = recovery.start(self._files)

    def append(self, data: bytes) -> None:
        """Write all of ``data``, rotating where a file is full."""
        at = 0
        while at < len(data):
            if self._fill >= self._size:
                self._rotate()
            end, ends_file = cut(data, at, self._fill, self._size)
            self._write(data, at, end)
            at = end
            if ends_file:
                self._rotate()

    @property
    def has_processor(self) -> bool:
        """True if a program takes its time with each file that is full."""
        return self._processor is not None

    def room(self) -> int:
        """How many bytes may come before the next newline ends the file; at least 0."""
        return max(self._size - MARGIN - self._fill, 0)

    def force(self) -> None:
        """Rotate now, unless current is empty."""
        if self._fill:
            self._rotate()

    def close(self) -> None:
        """Say in the mode of current that all of it is on disk."""
        self._files.sync(self._fd, b"current")
        self._files.sync_names()
        self._files.set_mode(self._fd, SAFE_MODE, b"current")

    def _rotate(self) -> None:
        self._fd = rotate(self._files, self._fd, self._processor, self._run)
        self._fill = 0

    def _write(self, data: bytes, at: int, end: int) -> None:
        files = self._files
        rest = memoryview(data)[at:end]
        while rest:
            try:
                written = files.fs.write(self._fd, rest)
            except OSError as error:
                files.complain(
                    *(b"unable to write to ", files.name, b"/current"), error=error
                )
            else:
                self._fill += written
                rest = rest[written:]
