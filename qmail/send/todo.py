"""todo/: what has been queued and waits to be preprocessed.

Trigger      qmail-queue writes a byte into the FIFO lock/trigger. It is opened anew
             before todo/ is read, so a byte that comes during the reading makes the
             next poll return at once, and a queued message is never overlooked.
Safety       todo/ is read every 1500 seconds in any case.
Fairness     a message with a large envelope is preprocessed a slice a turn, one such
             message after the other, while the batches of the small ones go on.
"""

from __future__ import annotations

import posix

from pytools.base.durable import close_quietly
from qmail.queue import layout
from qmail.send.preprocess import Prepared
from qmail.send.schedule import TODO_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from qmail.send.cleaner import CleanerLink
    from qmail.send.log import Log
    from qmail.send.preprocess import Preprocessor

BATCH = 32
"""Messages made durable together; deliveries go on between the batches."""
BATCH_BYTES = 65536
"""Envelopes after which a batch takes no more messages."""
LARGE_BYTES = 16384
"""An envelope over this size, some 600 recipients, is no matter for a batch."""

_OPEN = posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC


class Todo:
    """The scan of todo/, a batch at a time."""

    __slots__ = (
        *("_gone", "_in_flight", "_large", "_log", "_next_scan", "_qnums", "_ready"),
        *("_sliced", "trigger_fd"),
    )

    def __init__(self, now: int, log: Log) -> None:
        self._log = log
        self._qnums: list[int] = []
        self._large: list[int] = []
        self._sliced: tuple[Prepared, Generator[bool, None, None]] | None = None
        self._in_flight = 0
        self._next_scan = now
        self._ready: list[Prepared] = []
        self._gone: list[int] = []
        self.trigger_fd = -1
        self._set_trigger()

    def wakeup(self, forever: int) -> int:
        """When there is work without a trigger."""
        if self._sliced or self._large:
            return 0
        if self._in_flight:
            return forever  # the answer of qmail-clean wakes us up
        return 0 if self._qnums else self._next_scan

    def wants_trigger(self) -> bool:
        """True when a trigger would be acted upon."""
        return self.trigger_fd >= 0 and not self._qnums and not self._in_flight

    def take_ready(self) -> list[Prepared]:
        """The messages that have become S5 since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def take_gone(self) -> list[int]:
        """The messages, since the last call, that somebody else has made S5.

        That is the qmail-clean of a qmail-send that was killed: it may carry out the
        last commands when this one has seen todo/N already.
        """
        gone, self._gone = self._gone, []
        return gone

    def run(
        self, now: int, pulled: bool, preprocessor: Preprocessor, cleaner: CleanerLink
    ) -> None:
        """Preprocess the next batch, reading todo/ first if it is time, and a slice."""
        if not self._in_flight and (self._qnums or pulled or now >= self._next_scan):
            if not self._qnums:
                self._scan(now)
            self._commit(self._next_batch(preprocessor), preprocessor, cleaner)
        if self._sliced or self._large:
            self._commit(self._next_slice(preprocessor), preprocessor, cleaner)

    def stop(self, preprocessor: Preprocessor) -> None:
        """Leave the message that is being sliced to the next qmail-send, in S4."""
        if self._sliced is None:
            return
        message, slices = self._sliced
        self._sliced = None
        if not _is_gone(message.qnum):
            slices.close()
            return
        # The qmail-clean of a qmail-send that was killed has removed todo/N meanwhile:
        # what is still unread of it is nowhere else.
        for _ in slices:
            pass
        if message.is_written:
            preprocessor.commit([message])

    def _next_batch(self, preprocessor: Preprocessor) -> list[Prepared]:
        batch: list[Prepared] = []
        room = BATCH_BYTES
        while self._qnums and len(batch) < BATCH and room > 0:
            qnum = self._qnums.pop()
            size = _envelope_size(qnum)
            if size > LARGE_BYTES:
                self._large.append(qnum)
                continue
            room -= size
            message = preprocessor.prepare(qnum)
            if message is not None:
                batch.append(message)
            elif _is_gone(qnum):
                self._gone.append(qnum)
            elif batch:
                # It may have lacked what the batch holds, such as descriptors: once
                # more, alone. What then fails waits for the next scan.
                self._qnums.append(qnum)
                break
        return batch

    def _next_slice(self, preprocessor: Preprocessor) -> list[Prepared]:
        """Go on with a large message; it itself when it is all written."""
        if self._sliced is None:
            message = Prepared(self._large.pop(0))
            self._sliced = message, preprocessor.slices(message)
        message, slices = self._sliced
        if next(slices, False):
            return []
        self._sliced = None
        if message.is_written:
            return [message]
        if _is_gone(message.qnum):
            self._gone.append(message.qnum)
        return []

    def _commit(
        self, batch: list[Prepared], preprocessor: Preprocessor, cleaner: CleanerLink
    ) -> None:
        for message in preprocessor.commit(batch):
            self._in_flight += 1
            cleaner.request(layout.todo(message.qnum), self._settler(message))

    def _settler(self, message: Prepared) -> Callable[[bool], None]:
        def settle(removed: bool) -> None:
            self._in_flight -= 1
            if removed:
                # S4 -> S5. Otherwise todo/N is there at the next scan.
                self._ready.append(message)

        return settle

    def _scan(self, now: int) -> None:
        self._set_trigger()
        try:
            names = posix.listdir(layout.TODO_DIR)
        except OSError:
            self._log.alert(b"unable to opendir todo, sleeping...")
            self._log.pause()
            self._next_scan = now
            return
        self._next_scan = now + TODO_SECONDS
        known = {*self._large}
        if self._sliced:
            known.add(self._sliced[0].qnum)
        for name in names:
            qnum = layout.number(name)
            if qnum is not None and qnum not in known:
                self._qnums.append(qnum)

    def _set_trigger(self) -> None:
        if self.trigger_fd >= 0:
            close_quietly(self.trigger_fd)
        try:
            self.trigger_fd = posix.open(layout.TRIGGER, _OPEN)
        except OSError:
            self.trigger_fd = -1


def _envelope_size(qnum: int) -> int:
    try:
        return posix.stat(layout.todo(qnum)).st_size
    except OSError:
        return 0  # the attempt to read it will tell


def _is_gone(qnum: int) -> bool:
    try:
        posix.stat(layout.todo(qnum))
    except FileNotFoundError:
        return True
    except OSError:
        pass
    return False
