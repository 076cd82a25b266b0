"""One spawner: the deliveries it has been given and those it can still take.

Contract     commands go out on a descriptor that never blocks; what the pipe does not
             take waits here, and no delivery is begun meanwhile.
Numbers      a delivery has the lowest free slot, below the limit, as its number.
"""

from __future__ import annotations

import posix
from heapq import heappop, heappush

from pytools.base.fds import set_nonblock
from qmail.send.rewriting import sender_for
from qmail.spawn.records import Command, ReportDecoder, encode_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qmail.send.jobs import Job
    from qmail.send.log import Log

_BLOCK = 65536


class Delivery:
    """An attempt to deliver a message to one recipient."""

    __slots__ = ("job", "number", "position", "recipient")

    def __init__(self, number: int, job: Job, position: int, recipient: bytes) -> None:
        self.number = number
        """Its name in the log: 1, 2, 3 ... over both channels."""
        self.job = job
        self.position = position
        self.recipient = recipient


class SpawnerLink:
    """The connection to qmail-lspawn or qmail-rspawn."""

    __slots__ = (
        *("_free", "_is_full", "_log", "_reports", "_slots", "_unsent"),
        *("alive", "fd_in", "fd_out", "limit", "used"),
    )

    def __init__(self, fd_out: int, fd_in: int, limit: int, log: Log) -> None:
        self.fd_out = fd_out
        self.fd_in = fd_in
        self.limit = limit
        self.used = 0
        self.alive = True
        self._log = log
        self._slots: list[Delivery | None] = [None] * limit
        self._free = list(range(limit))  # a heap, being sorted
        self._unsent = bytearray()
        self._is_full = False
        self._reports = ReportDecoder()
        try:
            set_nonblock(fd_out)
        except OSError:
            self._died()

    def has_room(self) -> bool:
        """True when a delivery can be started now."""
        return self.alive and self.used < self.limit and not self._is_full

    def wants_write(self) -> bool:
        """True when commands wait for the pipe to drain."""
        return self.alive and self._is_full

    def start(self, delivery: Delivery) -> None:
        """Take a delivery; the spawner hears of it at the next ``flush``."""
        slot = heappop(self._free)
        self._slots[slot] = delivery
        self.used += 1
        job, recipient = delivery.job, delivery.recipient
        sender = sender_for(job.sender, recipient)
        self._unsent += encode_command(Command(slot, job.message, sender, recipient))

    def flush(self) -> None:
        """Write the commands, as far as the pipe takes them."""
        if not self._unsent:
            return
        try:
            del self._unsent[: posix.write(self.fd_out, self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._died()
        self._is_full = len(self._unsent) > 0

    def receive(self) -> list[tuple[int, bytes, bytes]]:
        """The reports that have come: slot, letter, text."""
        try:
            data = posix.read(self.fd_in, _BLOCK)
        except OSError:
            return []
        if not data:
            self._died()
        self._reports.receive(data)
        reports = []
        while (report := self._reports.next_report()) is not None:
            slot, text = report
            reports.append((slot, text[:1], text[1:]))
        return reports

    def finish(self, slot: int) -> Delivery | None:
        """Free a slot; the delivery that had it, or None, with a warning."""
        delivery = self._slots[slot] if slot < self.limit else None
        if delivery is None:
            self._log.warning(b"internal error: delivery report out of range")
            return None
        self._slots[slot] = None
        self.used -= 1
        heappush(self._free, slot)
        return delivery

    def _died(self) -> None:
        self._log.alert(b"oh no! lost spawn connection! dying...")
        self.alive = False
        self._unsent.clear()
