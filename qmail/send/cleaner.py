"""qmail-clean: the program that removes what only qmailq may remove.

Commands     ``todo/N`` NUL: intd/N and todo/N go. ``foop/N`` NUL: intd/N and mess/N go.
Answers      one byte each, in order; ``+`` is success.

COMPAT: the original waits for each answer. Here commands of a turn are written at once
and the answers picked up when they come, so that deliveries go on meanwhile; a
qmail-clean, original or ours, sees the same bytes.
"""

from __future__ import annotations

import posix

from pytools.base.fds import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qmail.send.log import Log

CLEAN_OUT_FD = 5
CLEAN_IN_FD = 6
SUCCESS = b"+"[0]
MAX_WAITING = 1000
"""Commands without an answer, over which nothing new is begun.

INVARIANT: their answers fit into a pipe, so neither side can block the other.
"""


class CleanerLink:
    """The connection to qmail-clean."""

    __slots__ = ("_in", "_log", "_out", "_unsent", "_waiting", "alive")

    def __init__(
        self, log: Log, out: int = CLEAN_OUT_FD, answers: int = CLEAN_IN_FD
    ) -> None:
        self._log = log
        self._out = out
        self._in = answers
        self._unsent = bytearray()
        self._waiting: list[tuple[bytes, Callable[[bool], None] | None]] = []
        self.alive = True

    def request(self, what: bytes, then: Callable[[bool], None] | None = None) -> None:
        """Ask for a removal; ``then`` is told whether it has been done."""
        if self.alive:
            self._unsent += what + b"\0"
            self._waiting.append((what, then))

    def is_idle(self) -> bool:
        """True when no answer is outstanding."""
        return not self._waiting

    def is_busy(self) -> bool:
        """True when nothing more should be asked now."""
        return len(self._waiting) >= MAX_WAITING or not self.alive

    def flush(self) -> None:
        """Write the commands gathered in this turn."""
        if not self._unsent:
            return
        data = bytes(self._unsent)
        self._unsent.clear()
        try:
            write_all(self._out, data)
        except OSError:
            self._died()

    def receive(self) -> None:
        """Read the answers that have come."""
        try:
            answers = posix.read(self._in, MAX_WAITING)
        except OSError:
            answers = b""
        if not answers:
            self._died()
            return
        done = self._waiting[: len(answers)]
        del self._waiting[: len(answers)]
        for (what, then), answer in zip(done, answers, strict=False):
            removed = answer == SUCCESS
            if not removed:
                self._log.warning(b"qmail-clean unable to clean up " + what)
            if then is not None:
                then(removed)

    def _died(self) -> None:
        self._log.alert(b"oh no! lost qmail-clean connection! dying...")
        self.alive = False
        self._waiting.clear()
