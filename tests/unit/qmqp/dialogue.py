"""A caller for the QMQP session: what qmail-qmqpd does, without descriptors."""

from __future__ import annotations

from qmail.mail.netstrings import ProtocolError
from qmail.qmqp import server

NOW = 1700000000
QP = 42


def ns(data: bytes) -> bytes:
    """The netstring."""
    return b"%d:%b," % (len(data), data)


def package(
    message: bytes = b"Subject: x\n\nhi\n",
    sender: bytes = b"s@x",
    recipients: tuple[bytes, ...] = (b"a@b",),
) -> bytes:
    """A message as a client sends it."""
    return ns(ns(message) + ns(sender) + b"".join(ns(r) for r in recipients))


class Caller:
    """Answers a session's events; ``queued`` is the message as the queue would get it."""

    def __init__(self, verdict: bytes = b"") -> None:
        self.session = server.Session()
        self.sent = b""
        self.queued: tuple[bytes, list[bytes], bytes] | None = None
        self.ended = ""
        self._verdict = verdict
        self._body = bytearray()
        self._sender = b""
        self._recipients: list[bytes] = []
        self._bad = False

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

    def _handle(self, kind: bytes, data: bytes) -> None:
        if kind == server.BODY:
            assert data
            self._body += data
        elif kind == server.SENDER:
            self._sender = data
        elif kind == server.RCPT:
            self._recipients.append(data)
        elif kind == server.BAD:
            self._bad = True
        elif kind == server.END:
            if not self._bad:
                self.queued = (self._sender, self._recipients, bytes(self._body))
            self.sent = self.session.verdict(self._verdict, now=NOW, qp=QP)
            self.ended = "END"
        elif kind == server.EOF:
            self.ended = "EOF"
