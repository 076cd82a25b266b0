"""multilog's loop: read, split, sort, write, and the two signals.

INVARIANT    between two reads everything that was read is written, except for the line
             that is not whole yet (fewer than 1000 bytes).
Rotations    take their time, and what is left of a block waits in memory meanwhile: so
             a block is to end about where a file does.
Signals      TERM: end with the next newline, and leave what follows it unread for the
             multilog that comes after. ALRM: rotate every log that is not empty.
"""

from __future__ import annotations

import posix
import select
import time

from pytools.base import fds
from pytools.base.signals import SIGALRM, SIGTERM, SelfPipe
from pytools.multilog.lines import Splitter
from pytools.multilog.selection import Sorter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.multilog.directory import LogDirectory
    from pytools.multilog.lines import Chunk
    from pytools.multilog.script import Script
    from pytools.multilog.statusfile import StatusFile

STDIN = 0
STDERR = 2
BLOCK = 16384
"""Read at a time. PERF: 110 MB a second with ``t``, 131 with 64 KB (the original 71);
but what has been read and not written is lost by SIGKILL, so no more than pays."""
LEAST = 512
"""Read at a time when a file is about to be full."""


class Loop:
    """Carries the input to where the script wants it."""

    __slots__ = (
        "_amount",
        "_at_newline",
        "_directories",
        "_leaving",
        "_shares",
        "_signals",
        "_sorter",
        "_splitter",
        "_statuses",
    )

    def __init__(
        self,
        script: Script,
        statuses: list[StatusFile],
        directories: list[LogDirectory],
        signals: SelfPipe,
    ) -> None:
        self._splitter = Splitter(time.time_ns if script.timestamp else None)
        self._sorter = Sorter(script)
        self._statuses = statuses
        self._directories = directories
        self._signals = signals
        self._leaving = False
        self._at_newline = True
        self._shares = [1.0] * len(directories)
        self._amount = LEAST

    def run(self) -> None:
        """Until end of file, a read error (as in the original), or TERM."""
        poll = select.poll()
        poll.register(STDIN, select.POLLIN)
        poll.register(self._signals.fd, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if self._signals.fd in ready:
                self._obey()
            if self._leaving and self._at_newline:
                break
            if STDIN not in ready:
                continue
            try:
                # Once leaving, byte by byte: none after the newline may be taken.
                block = posix.read(STDIN, 1 if self._leaving else self._amount)
            except BlockingIOError:
                continue
            except OSError:
                break
            if not block:
                break
            self._at_newline = block.endswith(b"\n")
            pieces = self._carry(self._splitter.feed(block))
            self._amount = self._next_amount(block, pieces)
        self._carry(self._splitter.finish())

    def _next_amount(self, block: bytes, pieces: list[bytes]) -> int:
        """How much to read when ``block`` has been written, as ``pieces``.

        What comes is taken to go where the last lines went, and to grow by as much.
        """
        if b"\n" in block:
            self._shares = [len(piece) / len(block) for piece in pieces]
        amount = BLOCK
        for directory, share in zip(self._directories, self._shares, strict=True):
            # A log that got nothing may be about to be full for days.
            if share:
                room = directory.room()
                if directory.has_processor:
                    # It takes longest, and lines may be shorter than the last ones.
                    room //= 2
                amount = min(amount, int(room / max(share, 1.0)))
        return max(amount, LEAST)

    def _obey(self) -> None:
        for number in self._signals.drain():
            if number == SIGTERM:
                self._leaving = True
            elif number == SIGALRM:
                for directory in self._directories:
                    directory.force()

    def _carry(self, chunk: Chunk) -> list[bytes]:
        pieces = self._sorter.sort(chunk)
        alerts = self._sorter.take_alerts()
        if alerts:
            _alert(alerts)
        for place, content in self._sorter.take_statuses():
            self._statuses[place].show(content)
        for directory, piece in zip(self._directories, pieces, strict=True):
            directory.append(piece)
        return pieces


def _alert(lines: bytes) -> None:
    try:
        fds.write_all(STDERR, lines)
    except OSError:
        # Nobody is there to be told.
        pass
