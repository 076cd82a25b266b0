"""The sending side of SMTP: one message to one server, bytes in, events out.

Rule 1. One command at a time, each after the reply to the last (no pipelining, and
        HELO, so that there is nothing to negotiate).
Rule 2. What happened to the message is told in the words of ``Outcome`` and, for each
        recipient in order, a RECIPIENT event. Nothing here reads or writes.

    event      means
    SEND       send ``data``
    RECIPIENT  a recipient's ``verdict`` (r, h or s) and the server's ``text``
    BODY       send the message: ``message`` for its parts, then ``end_of_message``
    DONE       it is over: ``verdict`` (K, Z or D), the phrases, the server's ``text``

    state      a reply of                    leads to
    GREETING   220                           HELO sent
    HELLO      250                           MAIL sent
    SENDER     under 400                     the first RCPT sent
    RECIPIENTS any, until none is left       DATA sent, or DONE if none was taken
    READY      under 400                     BODY
    MESSAGE    any                           DONE

Everything else, and the end of the connection, leads to DONE.
"""

from __future__ import annotations

from qmail.smtp.data import Encoder
from qmail.smtp.reply import Reply, ReplyReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

SEND: Final = b"send"
RECIPIENT: Final = b"recipient"
BODY: Final = b"body"
DONE: Final = b"done"

ACCEPTED: Final = b"r"
REJECTED: Final = b"h"
DEFERRED: Final = b"s"

SUCCESS: Final = b"K"
TEMPORARY: Final = b"Z"
PERMANENT: Final = b"D"

_GREETING: Final = 0
_HELLO: Final = 1
_SENDER: Final = 2
_RECIPIENTS: Final = 3
_READY: Final = 4
_BODY: Final = 5
_MESSAGE: Final = 6
_OVER: Final = 7

QUIT: Final = b"QUIT\r\n"

UNSPEAKABLE: Final = b"SMTP has no way to write this address. (#5.1.3)\n"


class Outcome:
    """A report in the making: ``before``, the server's address, ``after``, the text.

    COMPAT: programs that read bounces know the original's phrases, so they stay: "but
    greeting failed", "does not like recipient", "Remote host said" and their like.
    """

    __slots__ = ("after", "before", "is_polite", "text", "verdict")

    def __init__(
        self,
        verdict: bytes,
        before: bytes = b"",
        after: bytes = b"",
        text: bytes = b"",
        *,
        is_polite: bool = True,
    ) -> None:
        self.verdict = verdict
        self.before = before
        self.after = after
        self.text = text
        self.is_polite = is_polite
        """True when QUIT should be said before hanging up."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Outcome):
            return NotImplemented
        return all(getattr(self, n) == getattr(other, n) for n in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # compared in tests, never a key

    def __repr__(self) -> str:
        fields = ", ".join(repr(getattr(self, name)) for name in self.__slots__)
        return f"Outcome({fields})"


class Event:
    """What to do, or what came out."""

    __slots__ = ("data", "kind", "outcome")

    def __init__(
        self, kind: bytes, data: bytes = b"", outcome: Outcome | None = None
    ) -> None:
        self.kind = kind
        self.data = data
        self.outcome = outcome

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return all(getattr(self, n) == getattr(other, n) for n in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # compared in tests, never a key

    def __repr__(self) -> str:
        return f"Event({self.kind!r}, {self.data!r}, {self.outcome!r})"


class ClientSession:
    """Send one message. The addresses are as they go between ``<`` and ``>``."""

    __slots__ = (
        "_encoder",
        "_eof",
        "_events",
        "_helo",
        "_next",
        "_recipients",
        "_replies",
        "_sender",
        "_state",
        "_taken",
    )

    def __init__(self, helo: bytes, sender: bytes, recipients: list[bytes]) -> None:
        self._helo = helo
        self._sender = sender
        self._recipients = recipients
        self._next = 0
        self._taken = 0
        self._replies = ReplyReader()
        self._encoder = Encoder()
        self._events: list[Event] = []
        self._eof = False
        self._state = _GREETING

    def receive(self, data: bytes) -> None:
        """Take what came from the server; b"" is the end of the connection."""
        if data:
            self._replies.receive(data)
        else:
            self._eof = True

    def next_event(self) -> Event | None:
        """The next event, or None: more bytes are needed, or nothing is left to do."""
        while not self._events and self._state not in {_BODY, _OVER}:
            reply = self._replies.next_reply()
            if reply is not None:
                self._advance(reply)
            elif self._eof:
                return self.dropped()
            else:
                return None
        return self._events.pop(0) if self._events else None

    def message(self, data: bytes) -> bytes:
        """The wire form of the next part of the message."""
        self._expect_body()
        return self._encoder.feed(data)

    def end_of_message(self) -> bytes | None:
        """The end mark; None if the last line is not whole: then all is over.

        From here on the server may have the message, whatever we hear of it.
        """
        self._expect_body()
        if self._encoder.is_partial:
            self._state = _OVER
            return None
        self._state = _MESSAGE
        return self._encoder.finish()

    def dropped(self) -> Event:
        """The connection is gone: what that means for the message."""
        perhaps = b"Possible duplicate! " if self._state == _MESSAGE else b""
        self._state = _OVER
        after = b" but connection died. %b(#4.4.2)\n" % perhaps
        outcome = Outcome(TEMPORARY, b"Connected to ", after, is_polite=False)
        return Event(DONE, outcome=outcome)

    def _expect_body(self) -> None:
        if self._state != _BODY:
            raise RuntimeError("the server is not waiting for a message")

    def _advance(self, reply: Reply) -> None:
        state = self._state
        if state == _GREETING:
            if reply.code != 220:
                self._connected(TEMPORARY, b"greeting failed", reply)
            else:
                self._send(b"HELO %b\r\n" % self._helo, _HELLO)
        elif state == _HELLO:
            if reply.code != 250:
                self._connected(TEMPORARY, b"my name was rejected", reply)
            else:
                self._send(b"MAIL FROM:<%b>\r\n" % self._sender, _SENDER)
        elif state == _SENDER:
            if reply.code >= 400:
                self._connected(_failure(reply), b"sender was rejected", reply)
            else:
                self._state = _RECIPIENTS
                self._next_recipient()
        elif state == _RECIPIENTS:
            self._recipient_answered(reply)
            self._next_recipient()
        elif state == _READY:
            if reply.code >= 400:
                self._done(_failure(reply), b"", b" failed on DATA command", reply)
            else:
                self._state = _BODY
                self._events.append(Event(BODY))
        elif reply.code >= 400:
            after = b" failed after I sent the message"
            self._done(_failure(reply), b"", after, reply)
        else:
            self._done(SUCCESS, b"", b" accepted message", reply)

    def _recipient_answered(self, reply: Reply) -> None:
        if reply.code < 400:
            self._taken += 1
            outcome = Outcome(ACCEPTED)
        else:
            verdict = REJECTED if reply.code >= 500 else DEFERRED
            after = b" does not like recipient.\n"
            outcome = Outcome(verdict, after=after, text=reply.text)
        self._events.append(Event(RECIPIENT, outcome=outcome))

    def _next_recipient(self) -> None:
        while self._next < len(self._recipients):
            address = self._recipients[self._next]
            self._next += 1
            if is_speakable(address):
                self._send(b"RCPT TO:<%b>\r\n" % address, _RECIPIENTS)
                return
            # COMPAT: the original lets a line end in an address through, and with it
            # whatever commands follow.
            outcome = Outcome(REJECTED, before=UNSPEAKABLE)
            self._events.append(Event(RECIPIENT, outcome=outcome))
        if self._taken:
            self._send(b"DATA\r\n", _READY)
        else:
            self._done(PERMANENT, b"Giving up on ", b"", None)

    def _send(self, data: bytes, state: int) -> None:
        self._state = state
        self._events.append(Event(SEND, data))

    def _connected(self, verdict: bytes, what: bytes, reply: Reply) -> None:
        self._done(verdict, b"Connected to ", b" but " + what, reply)

    def _done(
        self, verdict: bytes, before: bytes, after: bytes, reply: Reply | None
    ) -> None:
        self._state = _OVER
        text = b"" if reply is None else reply.text
        outcome = Outcome(verdict, before, after + b".\n", text)
        self._events.append(Event(DONE, outcome=outcome))


def is_speakable(address: bytes) -> bool:
    """False for an address that no command can carry, because it has a line end."""
    return b"\r" not in address and b"\n" not in address


def _failure(reply: Reply) -> bytes:
    return PERMANENT if reply.code >= 500 else TEMPORARY
