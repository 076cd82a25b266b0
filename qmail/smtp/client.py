"""The sending side of SMTP: one message to one server, bytes in, events out.

Rule 1. One command at a time, each after the reply to the last (no pipelining).
Rule 2. What happened to the message is told in the words of ``Outcome`` and, for each
        recipient in order, a RECIPIENT event. Nothing here reads or writes.
Rule 3. Another server may be asked (``Outcome.is_elsewhere``, RFC 5321 5.1) after every
        failure before MAIL, and after one of the connection (it dies, 421) until
        something has been reported of a recipient. Other words of the server about the
        message stand; so do reports, which cannot be taken back.

    event      means
    SEND       send ``data``
    MEASURE    look at the message, and tell ``measured``
    RECIPIENT  a recipient's ``verdict`` (r, h or s) and the server's ``text``
    BODY       send the message: ``message`` for its parts, then ``end_of_message``
    DONE       it is over: ``verdict`` (K, Z or D), the phrases, the server's ``text``

    state      a reply of                    leads to
    GREETING   220                           EHLO sent
    EXTENDED   250                           MEASURE or MAIL sent
               421                           DONE
               any other                     HELO sent
               (it hangs up)                 DONE, and ``wants_helo``
    HELLO      250                           MAIL sent
    SENDER     under 400                     the first RCPT sent
    RECIPIENTS any, until none is left       DATA sent, or DONE if none was taken
    READY      under 400                     BODY
    MESSAGE    any                           DONE

Everything else, and the end of the connection, leads to DONE.

Extensions   8BITMIME (RFC 6152) and SIZE (RFC 1870), where the server offers them. A
             message with 8-bit bytes goes to a server without 8BITMIME all the same, as
             the original sends it.
"""

from __future__ import annotations

from qmail.smtp.data import Encoder
from qmail.smtp.reply import Reply, ReplyReader, ReplyTooLong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from qmail.smtp.data import Measure

SEND: Final = b"send"
MEASURE: Final = b"measure"
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
_EXTENDED: Final = 1
_HELLO: Final = 2
_MEASURE: Final = 3
_SENDER: Final = 4
_RECIPIENTS: Final = 5
_READY: Final = 6
_BODY: Final = 7
_BROKEN: Final = 8
_MESSAGE: Final = 9
_OVER: Final = 10

CLOSING: Final = 421
"""The server is going away, whatever the command was (RFC 5321 4.2.2)."""

QUIT: Final = b"QUIT\r\n"

UNSPEAKABLE: Final = b"SMTP has no way to write this address. (#5.1.3)\n"


class Outcome:
    """A report in the making: ``before``, the server's address, ``after``, the text.

    COMPAT: programs that read bounces know the original's phrases, so they stay: "but
    greeting failed", "does not like recipient", "Remote host said" and their like.
    """

    __slots__ = ("after", "before", "is_elsewhere", "is_polite", "text", "verdict")

    def __init__(
        self,
        verdict: bytes,
        before: bytes = b"",
        after: bytes = b"",
        text: bytes = b"",
        *,
        is_polite: bool = True,
        is_elsewhere: bool = False,
    ) -> None:
        self.verdict = verdict
        self.before = before
        self.after = after
        self.text = text
        self.is_polite = is_polite
        """True when QUIT should be said before hanging up."""
        self.is_elsewhere = is_elsewhere
        """True when another server may be asked, because this one had no say (Rule 3)."""

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
        "_extensions",
        "_hello",
        "_helo",
        "_next",
        "_recipients",
        "_replies",
        "_sender",
        "_state",
        "_taken",
        "wants_helo",
    )

    def __init__(
        self,
        helo: bytes,
        sender: bytes,
        recipients: list[bytes],
        *,
        is_extended: bool = True,
    ) -> None:
        """Without ``is_extended`` EHLO is not tried."""
        self._helo = helo
        self._hello = _EXTENDED if is_extended else _HELLO
        self.wants_helo = False
        """True once the server has hung up on EHLO: a session without it may do."""
        self._sender = sender
        self._recipients = recipients
        self._next = 0
        self._taken = 0
        self._extensions: frozenset[bytes] = frozenset()
        self._replies = ReplyReader()
        self._encoder = Encoder()
        self._events: list[Event] = []
        self._eof = False
        self._state = _GREETING

    @property
    def is_greeted(self) -> bool:
        """True once the server has said anything that is a reply."""
        return self._state != _GREETING

    def receive(self, data: bytes) -> None:
        """Take what came from the server; b"" is the end of the connection."""
        if data:
            self._replies.receive(data)
        else:
            self._eof = True

    def next_event(self) -> Event | None:
        """The next event, or None: more bytes are needed, or nothing is left to do."""
        while not self._events and self._state not in {_MEASURE, _BODY, _OVER}:
            try:
                reply = self._replies.next_reply()
            except ReplyTooLong:
                return self.dropped(hung_up=False)
            if reply is not None:
                self._advance(reply)
            elif self._eof:
                return self.dropped()
            else:
                return None
        return self._events.pop(0) if self._events else None

    def measured(self, measure: Measure | None) -> None:
        """What the message is like; None if only sending it would tell."""
        if self._state != _MEASURE:
            raise RuntimeError("the session has not asked for that")
        parameters = b""
        if measure is not None and b"SIZE" in self._extensions:
            parameters += b" SIZE=%d" % measure.size
        if measure is not None and measure.is_8bit and b"8BITMIME" in self._extensions:
            parameters += b" BODY=8BITMIME"
        self._mail(parameters)

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

    def broken_off(self) -> None:
        """The server takes no more of the message; it may have said why."""
        self._expect_body()
        self._state = _BROKEN

    def dropped(self, *, hung_up: bool = True) -> Event:
        """The connection is gone, ended by the server or not: what that means."""
        self.wants_helo = hung_up and self._state == _EXTENDED
        perhaps = b"Possible duplicate! " if self._state == _MESSAGE else b""
        # At most the first RCPT has been sent, and it has no answer.
        is_elsewhere = self._state <= _RECIPIENTS and self._next <= 1
        self._state = _OVER
        after = b" but connection died. %b(#4.4.2)\n" % perhaps
        outcome = Outcome(
            TEMPORARY,
            b"Connected to ",
            after,
            is_polite=False,
            is_elsewhere=is_elsewhere,
        )
        return Event(DONE, outcome=outcome)

    def _expect_body(self) -> None:
        if self._state != _BODY:
            raise RuntimeError("the server is not waiting for a message")

    def _advance(self, reply: Reply) -> None:
        if self._state <= _HELLO:
            self._introduced(reply)
        elif self._state <= _RECIPIENTS:
            self._addressed(reply)
        else:
            self._transferred(reply)

    def _introduced(self, reply: Reply) -> None:
        """A reply to the connection, to EHLO or to HELO."""
        if self._state == _GREETING:
            if reply.code == 220:
                verb = b"EHLO" if self._hello == _EXTENDED else b"HELO"
                self._send(b"%b %b\r\n" % (verb, self._helo), self._hello)
            else:
                self._unusable(b"greeting failed", reply)
        elif reply.code == 250:
            if self._state == _EXTENDED:
                self._extensions = reply.keywords & {b"SIZE", b"8BITMIME"}
            if self._extensions:
                self._state = _MEASURE
                self._events.append(Event(MEASURE))
            else:
                self._mail(b"")
        elif self._state == _EXTENDED and reply.code != CLOSING:
            self._send(b"HELO %b\r\n" % self._helo, _HELLO)
        else:
            self._unusable(b"my name was rejected", reply)

    def _addressed(self, reply: Reply) -> None:
        """A reply to MAIL or to RCPT."""
        if self._state == _RECIPIENTS:
            self._recipient_answered(reply)
            self._next_recipient()
        elif reply.code >= 400:
            after = b" but sender was rejected"
            is_elsewhere = reply.code == CLOSING
            self._done(
                *(_failure(reply), b"Connected to ", after, reply),
                is_elsewhere=is_elsewhere,
            )
        else:
            self._state = _RECIPIENTS
            self._next_recipient()

    def _transferred(self, reply: Reply) -> None:
        """A reply to DATA or to the message."""
        if self._state == _READY:
            if reply.code >= 400:
                self._done(_failure(reply), b"", b" failed on DATA command", reply)
            elif reply.code < 300:
                # COMPAT: the original sends the message to a server that does not wait
                # for it, and takes its next reply, whatever it is to, for the verdict.
                self._done(TEMPORARY, b"", b" failed on DATA command", reply)
            else:
                self._state = _BODY
                self._events.append(Event(BODY))
        elif reply.code >= 400:
            after = b" failed after I sent the message"
            self._done(_failure(reply), b"", after, reply)
        elif self._state == _BROKEN:
            self._events.append(self.dropped())
        elif not 200 <= reply.code <= 299:
            # COMPAT: the original loses a message for which a server asks again.
            after = b" failed after I sent the message"
            self._done(TEMPORARY, b"", after, reply)
        else:
            self._done(SUCCESS, b"", b" accepted message", reply)

    def _recipient_answered(self, reply: Reply) -> None:
        if reply.code < 400:
            self._taken += 1
            outcome = Outcome(ACCEPTED)
        else:
            verdict = REJECTED if reply.is_permanent else DEFERRED
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
            # COMPAT: the original lets through whatever is in an address, and with it
            # commands and parameters of the sender's making.
            outcome = Outcome(REJECTED, before=UNSPEAKABLE)
            self._events.append(Event(RECIPIENT, outcome=outcome))
        if self._taken:
            self._send(b"DATA\r\n", _READY)
        else:
            self._done(PERMANENT, b"Giving up on ", b"", None)

    def _mail(self, parameters: bytes) -> None:
        self._send(b"MAIL FROM:<%b>%b\r\n" % (self._sender, parameters), _SENDER)

    def _send(self, data: bytes, state: int) -> None:
        self._state = state
        self._events.append(Event(SEND, data))

    def _unusable(self, what: bytes, reply: Reply) -> None:
        after = b" but " + what
        self._done(TEMPORARY, b"Connected to ", after, reply, is_elsewhere=True)

    def _done(
        self,
        verdict: bytes,
        before: bytes,
        after: bytes,
        reply: Reply | None,
        *,
        is_elsewhere: bool = False,
    ) -> None:
        self._state = _OVER
        text = b"" if reply is None else reply.text
        outcome = Outcome(
            verdict, before, after + b".\n", text, is_elsewhere=is_elsewhere
        )
        self._events.append(Event(DONE, outcome=outcome))


def is_speakable(address: bytes) -> bool:
    """False for an address that no command can carry as what it is.

    A line end would end the command. The domain, of which nothing is quoted, has no
    place for blanks, control characters and angle brackets: a receiver would take what
    follows them for parameters.
    """
    domain = address.rpartition(b"@")[2] if b"@" in address else b""
    return (
        b"\r" not in address
        and b"\n" not in address
        and not any(byte <= 32 or byte in b"<>\177" for byte in domain)
    )


def _failure(reply: Reply) -> bytes:
    return PERMANENT if reply.is_permanent else TEMPORARY
