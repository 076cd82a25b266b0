"""A caller for the server session: what qmail-smtpd does, without descriptors."""

from __future__ import annotations

from qmail.smtp import server
from qmail.smtp.replies import ProtocolError

NOW = 1700000000
QP = 42


class Caller:
    """Answers a session's events and remembers what came of them.

    Takes mail for domains that end in ``ok``; bars the sender ``bad``.
    """

    def __init__(self, session: server.Session, verdict: bytes = b"") -> None:
        self.session = session
        self.sent = bytearray()
        self.messages: list[tuple[bytes, list[bytes], bytes]] = []
        self.ended = b""
        self._verdict = verdict
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        """Give the session ``data`` and answer all events."""
        if self.ended:
            return
        self.session.receive(data)
        try:
            while not self.ended and (event := self.session.next_event()) is not None:
                self._handle(event)
        except ProtocolError as error:
            self.sent += error.reply
            self.ended = b"error"

    def _handle(self, event: server.Event) -> None:
        session = self.session
        if event.kind == server.MAIL:
            self.sent += session.sender_ok(barred=event.data == b"bad")
        elif event.kind == server.RCPT:
            ok = event.data.endswith(b"ok")
            self.sent += session.recipient_ok() if ok else session.recipient_refused()
        elif event.kind == server.DATA:
            self._body.clear()
            self.sent += session.go_ahead()
        elif event.kind == server.BODY:
            self._body += event.data
        elif event.kind == server.END:
            recipients = list(session.recipients())
            self.messages.append((session.sender, recipients, bytes(self._body)))
            failed = session.is_looping or session.is_too_big
            verdict = b"Zfailed" if failed else self._verdict
            self.sent += session.verdict(verdict, now=NOW, qp=QP)
        else:
            self.sent += event.data
            if event.kind in {server.QUIT, server.EOF}:
                self.ended = event.kind

    @property
    def codes(self) -> list[bytes]:
        """The code of each reply line."""
        return [line[:4] for line in bytes(self.sent).split(b"\r\n")[:-1]]
