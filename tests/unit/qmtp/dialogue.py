"""A caller for the QMTP session: what qmail-qmtpd does, without descriptors."""

from __future__ import annotations

from qmail.qmtp import server
from tests.support.netstring_dialogue import NOW, QP, NetstringCaller, ns

ACCEPTED = b"Kok 1700000000 qp 42"


def package(
    message: bytes = b"\nSubject: x\n\nhi\n",
    sender: bytes = b"s@x",
    recipients: tuple[bytes, ...] = (b"a@ok",),
) -> bytes:
    """A message as a client sends it."""
    return ns(message) + ns(sender) + ns(b"".join(ns(r) for r in recipients))


def answers(data: bytes) -> list[bytes]:
    """The texts of netstrings, which must be whole."""
    found = []
    while data:
        length, _, data = data.partition(b":")
        found.append(data[: int(length)])
        assert data[int(length) : int(length) + 1] == b","
        data = data[int(length) + 1 :]
    return found


class Caller(NetstringCaller[server.Session]):
    """Answers a session's events; takes mail for addresses that end in ``ok``."""

    def __init__(
        self, session: server.Session | None = None, verdict: bytes = b""
    ) -> None:
        super().__init__(session or server.Session(max_size=2000), verdict)
        self.sent = bytearray()
        self.messages: list[tuple[bytes, list[bytes], bytes]] = []
        self._sender: bytes | None = None
        self._recipients: list[bytes] = []

    def _handle(self, kind: bytes, data: bytes) -> None:
        session = self.session
        if kind == server.MESSAGE:
            self._body.clear()
            self._recipients = []
            self._sender = None
        elif kind == server.BODY:
            assert data
            self._body += data
        elif kind == server.SENDER:
            self._sender = data
        elif kind == server.RCPT:
            if not data.endswith(b"ok"):
                session.recipient_refused()
            elif (address := session.recipient_ok()) is not None:
                self._recipients.append(address)
        elif kind == server.END:
            wanted = session.is_wanted and not session.is_too_big
            if wanted and self._sender is not None:
                message = (self._sender, self._recipients, bytes(self._body))
                self.messages.append(message)
            for piece in session.verdict(self._verdict, now=NOW, qp=QP):
                self.sent += piece
        elif kind == server.EOF:
            self.ended = "EOF"

    def outcome(self) -> tuple[list[bytes], list[object], str]:
        """All that came of it."""
        return answers(bytes(self.sent)), [*self.messages], self.ended
