"""The number by which a message is known in replies, logs and its Received line: qp.

The original starts a qmail-queue for each message, and its process number is the one.
Whoever runs our qmail-queue for each message finds that number, too, unless another
process had it not long ago. A process that hands in many is known by its own number
once; the messages after that one get numbers that no process has.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

PROCESSES_MAX: Final = 1 << 22
"""Above all process numbers of Linux: proc_sys_kernel(5), pid_max."""
_NUMBER_MAX: Final = (1 << 31) - 1
_REMEMBERED: Final = 4096
"""Callers that have had their own number lately. One forgotten gets it once more."""


class Numbers:
    """Of one server; ``take`` for each message."""

    __slots__ = ("_last", "_named")

    def __init__(self) -> None:
        self._named: dict[int, None] = {}  # the last to hand something in comes last
        # Not where the last server began: the log goes on.
        self._last = PROCESSES_MAX + int(time.time()) % (1 << 30)

    def take(self, pid: int) -> int:
        """The number of the next message of the process ``pid``."""
        is_known = pid in self._named
        self._named.pop(pid, None)
        self._named[pid] = None
        if not is_known:
            if len(self._named) > _REMEMBERED:
                del self._named[next(iter(self._named))]
            return pid
        self._last = self._last + 1 if self._last < _NUMBER_MAX else PROCESSES_MAX + 1
        return self._last
