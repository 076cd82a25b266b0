"""A conversation with one server: the session's events over a connection.

The message is on descriptor 0. It is sent from where that stands, and measured before
that, if it is a file, without moving there.
"""

from __future__ import annotations

import posix

from qmail.remote import report, transport
from qmail.smtp import client
from qmail.smtp.data import Measure

CHUNK = 32768


class Failure(Exception):
    """The message cannot be sent, for the reason that this report gives."""

    def __init__(self, report: bytes) -> None:
        super().__init__(report)
        self.report = report


class Conversation:
    """Hold it once, with ``hold``."""

    __slots__ = ("_connection", "_partner", "_reports", "_session", "is_silent")

    def __init__(
        self,
        session: client.ClientSession,
        connection: transport.Connection,
        partner: bytes,
        reports: bytearray,
    ) -> None:
        self._session = session
        self._connection = connection
        self._partner = partner
        self._reports = reports
        """The recipients' are appended here."""
        self.is_silent = False
        """True once the server has let the time for its greeting pass."""

    def hold(self) -> tuple[bytes, bool]:
        """The message's report, and whether another server may be asked.

        Raises Failure.
        """
        while True:
            try:
                event = self._next_event()
            except transport.Dropped as dropped:
                self.is_silent = dropped.timed_out and not self._session.is_greeted
                event = self._session.dropped(hung_up=not dropped.timed_out)
            if event.outcome is None:
                continue
            text = report.of(event.outcome, self._partner)
            if event.kind == client.DONE:
                if event.outcome.is_polite:
                    self._hang_up()
                return text, event.outcome.is_elsewhere
            self._reports += text

    def _next_event(self) -> client.Event:
        """Wait for an event, and do what it asks for. Raises Dropped, Failure."""
        session = self._session
        event = session.next_event()
        while event is None:
            session.receive(self._connection.receive())
            event = session.next_event()
        if event.kind == client.SEND:
            self._send(event.data)
        elif event.kind == client.MEASURE:
            session.measured(_measure())
        elif event.kind == client.BODY:
            self._send_message()
        return event

    def _send(self, data: bytes) -> bool:
        """False if the server has hung up. Raises Dropped if it takes nothing.

        COMPAT: then what it said before that is read, and counts; for the original the
        connection died.
        """
        try:
            self._connection.send(data)
        except transport.Dropped as dropped:
            if dropped.timed_out:
                raise
            return False
        return True

    def _send_message(self) -> None:
        session = self._session
        while True:
            try:
                data = posix.read(0, CHUNK)
            except OSError:
                raise Failure(report.NO_MESSAGE) from None
            if not data:
                break
            if not self._send(session.message(data)):
                session.broken_off()
                return
        end = session.end_of_message()
        if end is None:
            raise Failure(report.PARTIAL_LINE)
        self._send(end)

    def _hang_up(self) -> None:
        """Say QUIT, and do not wait for what the server says to that.

        COMPAT: the verdict stands even if the connection dies here; the original makes
        a deferral of it, and sends again what was accepted.
        """
        try:
            self._connection.send(client.QUIT)
        except transport.Dropped:
            pass


def _measure() -> Measure | None:
    """What the message on descriptor 0 is like; None if it can be read only once."""
    measure = Measure()
    try:
        at = posix.lseek(0, 0, 1)
        while data := posix.pread(0, CHUNK, at):
            measure.feed(data)
            at += len(data)
    except OSError:
        return None
    return measure
