"""A caller for the QMQP session: what qmail-qmqpd does, without descriptors."""

from __future__ import annotations

from qmail.qmqp import server
from tests.support.netstring_dialogue import NOW, QP, NetstringCaller, ns


def package(
    message: bytes = b"Subject: x\n\nhi\n",
    sender: bytes = b"s@x",
    recipients: tuple[bytes, ...] = (b"a@b",),
) -> bytes:
    """A message as a client sends it."""
    return ns(ns(message) + ns(sender) + b"".join(ns(r) for r in recipients))


class Caller(NetstringCaller[server.Session]):
    """Answers a session's events; ``queued`` is the message as the queue would get it."""

    def __init__(self, verdict: bytes = b"") -> None:
        super().__init__(server.Session(), verdict)
        self.sent = b""
        self.queued: tuple[bytes, list[bytes], bytes] | None = None
        self._sender = b""
        self._recipients: list[bytes] = []
        self._bad = False

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
