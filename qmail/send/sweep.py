"""The sweep through mess/: messages that were never queued completely.

States       S2 or S3 -> S1, through qmail-clean, for what nobody has touched for 36
             hours and has neither info nor todo. A qmail-queue lives 24 hours at most.
"""

from __future__ import annotations

import posix

from qmail.queue import layout
from qmail.send.schedule import CLEANUP_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.seams import Fs
    from qmail.send.cleaner import CleanerLink
    from qmail.send.log import Log

STEP = 200
"""Messages looked at before the loop looks at its descriptors again."""


class Sweep:
    """One sweep after the other, a step at a time."""

    __slots__ = ("_dirs", "_fs", "_log", "_next", "_qnums")

    def __init__(self, now: int, log: Log, fs: Fs = posix) -> None:
        self._log = log
        self._fs = fs
        self._next = now
        self._dirs: list[int] = []
        self._qnums: list[int] = []

    def wakeup(self) -> int:
        """When the next step is due."""
        return 0 if self._dirs or self._qnums else self._next

    def run(self, now: int, cleaner: CleanerLink) -> None:
        """Take the next step."""
        if cleaner.is_busy():
            return
        if not self._dirs and not self._qnums:
            if now < self._next:
                return
            self._dirs = list(reversed(range(layout.SPLIT)))
        if not self._qnums:
            self._qnums = numbers_in(b"mess/%d" % self._dirs.pop(), self._log, self._fs)
        for qnum in self._qnums[:STEP]:
            if self._is_litter(qnum, now):
                cleaner.request(layout.foop(qnum))
        del self._qnums[:STEP]
        if not self._dirs and not self._qnums:
            self._next = now + CLEANUP_SECONDS

    def _is_litter(self, qnum: int, now: int) -> bool:
        """COMPAT: the original goes by atime alone, which stands still on many mounts."""
        try:
            found = self._fs.stat(layout.mess(qnum))
        except OSError:
            return False  # most likely its qmail-queue has removed it
        touched = int(max(found.st_atime, found.st_mtime, found.st_ctime))
        if now <= touched + layout.OSSIFIED_SECONDS:
            return False
        return self._is_absent(layout.info(qnum)) and self._is_absent(layout.todo(qnum))

    def _is_absent(self, path: bytes) -> bool:
        """True only if the file certainly does not exist."""
        try:
            self._fs.stat(path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return False


def numbers_in(path: bytes, log: Log, fs: Fs = posix) -> list[int]:
    """The message numbers in a directory of the queue; waits until it can be read."""
    while True:
        try:
            names = fs.listdir(path)
        except OSError:
            log.alert(b"unable to opendir %b, sleeping..." % path)
            log.pause()
        else:
            found = (layout.number(name) for name in names)
            return [qnum for qnum in found if qnum is not None]
