"""What the callers of a QMTP and of a QMQP session have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from qmail.mail import netstrings
from qmail.mail.netstrings import ProtocolError

NOW = 1700000000
QP = 42
S = TypeVar("S", bound=netstrings.Session)


def ns(data: bytes) -> bytes:
    """The netstring."""
    return b"%d:%b," % (len(data), data)


class NetstringCaller(ABC, Generic[S]):
    """Answers a session's events until it has ``ended``, and how.

    ``verdict`` is what the queue is to say of each message.
    """

    def __init__(self, session: S, verdict: bytes) -> None:
        self.session = session
        self.ended = ""
        self._verdict = verdict
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        """Give the session ``data`` and answer all events."""
        if self.ended:
            return
        self.session.receive(data)
        try:
            while not self.ended and (event := self.session.next_event()) is not None:
                self._handle(*event)
        except ProtocolError as error:
            self.ended = type(error).__name__

    @abstractmethod
    def _handle(self, kind: bytes, data: bytes) -> None:
        """Answer one event."""
