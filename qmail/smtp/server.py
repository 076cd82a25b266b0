"""One SMTP session as qmail-smtpd sees it: bytes in, events and replies out.

Rule 1. The session decides what the protocol alone decides; what needs a file, a clock
        or the queue becomes an event, and the caller answers it with one of the verbs.
Rule 2. A verb gives back the bytes to send. Nothing here reads or writes.

    event     means                                    answered by
    REPLY     send ``data``                            (nothing)
    MAIL      a transaction wants the sender ``data``  sender_ok
    RCPT      ... and the recipient ``data``           recipient_ok, recipient_refused
    DATA      ... and to send its message              go_ahead
    BODY      the next part of the message, decoded    (nothing)
    END       the message is complete                  verdict
    QUIT      send ``data``, then hang up              (nothing)
    EOF       the peer has hung up                     (nothing)

ProtocolError (from an event's or a verb's call) ends the session: a message with a bare
LF, what is not SMTP at all, out of memory.

Memory       what a peer can make grow is the recipients: one bytearray, which may have
             ``ceiling`` bytes. It may exist twice for a moment while it grows.
"""

from __future__ import annotations

from qmail.smtp import parameters, replies
from qmail.smtp.address import parse_argument
from qmail.smtp.data import Decoder
from qmail.smtp.hops import HopCounter
from qmail.smtp.lines import LineReader, LineTooLong, MalformedLine
from qmail.smtp.replies import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from typing import Final

REPLY: Final = b"reply"
MAIL: Final = b"mail"
RCPT: Final = b"rcpt"
DATA: Final = b"data"
BODY: Final = b"body"
END: Final = b"end"
QUIT: Final = b"quit"
EOF: Final = b"eof"

# What the session is doing.
_COMMANDS: Final = 0
_MESSAGE: Final = 1
_MESSAGE_READ: Final = 2
_ASKING: Final = 3  # an event waits for its verb
_OVER: Final = 4

# What a browser or a proxy says first: the list of Postfix's smtpd_forbidden_commands.
_HTTP: Final = {b"get", b"post", b"connect"}


class Event:
    """What happened: ``kind`` is one of the constants above."""

    __slots__ = ("data", "kind")

    def __init__(self, kind: bytes, data: bytes = b"") -> None:
        self.kind = kind
        self.data = data

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return self.kind == other.kind and self.data == other.data

    __hash__ = None  # type: ignore[assignment]  # compared in tests, never a key

    def __repr__(self) -> str:
        return f"Event({self.kind!r}, {self.data!r})"


class Session:
    """An SMTP session. ``greeting`` is what control/smtpgreeting says."""

    __slots__ = (
        "_ceiling",
        "_decoder",
        "_eof",
        "_greeting",
        "_has_sender",
        "_hops",
        "_is_barred",
        "_is_extended",
        "_lines",
        "_max_size",
        "_own_addresses",
        "_own_host",
        "_pending",
        "_recipients",
        "_remote_host",
        "_size",
        "_state",
        "helo",
        "sender",
    )

    def __init__(
        self,
        greeting: bytes,
        *,
        remote_host: bytes = b"unknown",
        own_addresses: Container[bytes] = (),
        own_host: bytes | None = None,
        max_size: int = 0,
        ceiling: int | None = None,
    ) -> None:
        self._greeting = greeting
        self._remote_host = remote_host
        self._own_addresses = own_addresses
        self._own_host = own_host
        self._max_size = max_size
        self._ceiling = ceiling
        self._lines = LineReader()
        self._eof = False
        self._state = _COMMANDS
        self._pending = b""
        self._has_sender = False
        self._is_barred = False
        self._is_extended = False
        self._recipients = bytearray()
        self._decoder = Decoder()
        self._hops = HopCounter()
        self._size = 0
        self.helo: bytes | None = None
        """The name the peer gave, where it differs from what DNS calls it."""
        self.sender = b""
        """The sender of the transaction."""

    # What the peer sends.

    def receive(self, data: bytes) -> None:
        """Take what came from the peer; b"" is end of file."""
        if data:
            self._lines.receive(data)
        else:
            self._eof = True

    def next_event(self) -> Event | None:
        """The next event, or None: more bytes are needed. Raises ProtocolError."""
        if self._state == _COMMANDS:
            return self._next_command()
        if self._state == _MESSAGE:
            return self._next_part()
        if self._state == _MESSAGE_READ:
            self._state = _ASKING
            return Event(END)
        if self._state == _ASKING:
            raise RuntimeError("the last event was not answered")
        return None

    def _next_command(self) -> Event | None:
        try:
            line = self._lines.next_line()
        except LineTooLong:
            return Event(REPLY, replies.LINE_TOO_LONG)
        except MalformedLine:
            return Event(REPLY, replies.MALFORMED_LINE)
        if line is None:
            return self._end_of_file() if self._eof else None
        verb, _, argument = line.partition(b" ")
        if verb.endswith(b":") or verb.lower() in _HTTP:
            # SECURITY: HTTP, or a message that is taken for commands. Further down there
            # may be commands that somebody else has written.
            # COMPAT: the original answers 502 to each line.
            self._state = _OVER
            raise ProtocolError(replies.NO_SMTP)
        return self._command(verb[:5].lower(), argument.lstrip(b" "))

    def _command(self, verb: bytes, argument: bytes) -> Event:
        if verb == b"rcpt":
            return self._rcpt(argument)
        if verb == b"mail":
            return self._mail(argument)
        if verb == b"data":
            return self._data()
        if verb == b"quit":
            self._state = _OVER
            return Event(QUIT, b"221 %b\r\n" % self._greeting)
        if verb in {b"helo", b"ehlo"}:
            return self._hello(argument, is_extended=verb == b"ehlo")
        if verb == b"rset":
            self._has_sender = False
            return Event(REPLY, replies.FLUSHED)
        if verb == b"noop":
            return Event(REPLY, replies.OK)
        if verb == b"help":
            return Event(REPLY, replies.HELP)
        if verb == b"vrfy":
            return Event(REPLY, replies.CANNOT_VERIFY)
        return Event(REPLY, replies.UNKNOWN_COMMAND)

    def _hello(self, name: bytes, *, is_extended: bool) -> Event:
        self._has_sender = False
        self._is_extended = is_extended
        same = name.lower() == self._remote_host.lower()
        self.helo = None if same else name
        if not is_extended:
            return Event(REPLY, b"250 %b\r\n" % self._greeting)
        # Without a limit there is no number, as other servers do (RFC 1870 4 has 0, too).
        size = b"SIZE %d" % self._max_size if self._max_size > 0 else b"SIZE"
        form = b"250-%b\r\n250-PIPELINING\r\n250-%b\r\n250 8BITMIME\r\n"
        return Event(REPLY, form % (self._greeting, size))

    def _mail(self, argument: bytes) -> Event:
        # SECURITY: recipients that follow a refused MAIL are not the last one's.
        # COMPAT: the original keeps the transaction if MAIL has a syntax error. A client
        # that does not wait for the replies would add to it what it means for another.
        self._has_sender = False
        address, words = self._parse(argument)
        if address is None:
            return Event(REPLY, replies.SYNTAX)
        refusal = parameters.refusal_of_sender(
            words, self._max_size, is_extended=self._is_extended
        )
        return Event(REPLY, refusal) if refusal else self._ask(MAIL, address)

    def _rcpt(self, argument: bytes) -> Event:
        if not self._has_sender:
            return Event(REPLY, replies.WANT_MAIL)
        address, words = self._parse(argument)
        if address is None:
            return Event(REPLY, replies.SYNTAX)
        refusal = parameters.refusal_of_recipient(words, is_extended=self._is_extended)
        if refusal:
            return Event(REPLY, refusal)
        if self._is_barred:
            return Event(REPLY, replies.BAD_SENDER)
        return self._ask(RCPT, address)

    def _parse(self, argument: bytes) -> tuple[bytes | None, bytes]:
        return parse_argument(argument, self._own_addresses, self._own_host)

    def _data(self) -> Event:
        if not self._has_sender:
            return Event(REPLY, replies.WANT_MAIL)
        if not self._recipients:
            return Event(REPLY, replies.WANT_RCPT)
        self._has_sender = False
        return self._ask(DATA)

    def _next_part(self) -> Event | None:
        data = self._lines.take_rest()
        if not data:
            return self._end_of_file() if self._eof else None
        decoder = self._decoder
        part = decoder.feed(data)
        if decoder.finished:
            if decoder.is_malformed:
                self._state = _OVER
                raise ProtocolError(replies.BARE_LINE_FEED)
            self._lines.receive(decoder.rest)
            self._state = _MESSAGE_READ
        if not part:
            return self.next_event()
        self._size += len(part)
        self._hops.feed(part)
        return Event(BODY, part)

    def _end_of_file(self) -> Event:
        self._state = _OVER
        return Event(EOF)

    def _ask(self, kind: bytes, data: bytes = b"") -> Event:
        self._state = _ASKING
        self._pending = data
        return Event(kind, data)

    # What the caller knows about the transaction.

    @property
    def is_too_big(self) -> bool:
        """True when the message has more bytes than it may have."""
        return 0 < self._max_size < self._size

    @property
    def is_looping(self) -> bool:
        """True when the message has passed too many servers."""
        return self._hops.is_looping

    def recipients(self) -> Iterator[bytes]:
        """The recipients, one at a time: as a list they could be many small objects."""
        at = 0
        while at < len(self._recipients):
            end = self._recipients.index(0, at)
            yield bytes(memoryview(self._recipients)[at:end])
            at = end + 1

    # What the caller answers.

    def greet(self) -> bytes:
        """The first thing to send."""
        return b"220 %b ESMTP\r\n" % self._greeting

    def sender_ok(self, *, barred: bool = False) -> bytes:
        """Begin a transaction. A barred sender learns of it at each recipient."""
        self._answer()
        self.sender = self._pending
        self._is_barred = barred
        self._has_sender = True
        self._recipients = bytearray()
        return replies.OK

    def recipient_ok(self, suffix: bytes = b"") -> bytes:
        """Add the recipient, with ``suffix`` behind it. Raises ProtocolError."""
        self._answer()
        self._recipients += self._pending
        self._recipients += suffix
        self._recipients.append(0)
        if self._ceiling is not None and len(self._recipients) > self._ceiling:
            self._state = _OVER
            raise ProtocolError(replies.OUT_OF_MEMORY)
        return replies.OK

    def recipient_refused(self) -> bytes:
        """The recipient's domain is not for this server."""
        self._answer()
        return replies.NO_RELAY

    def go_ahead(self) -> bytes:
        """The queue is ready: have the message sent."""
        self._answer(_MESSAGE)
        self._decoder = Decoder()
        self._hops = HopCounter()
        self._size = 0
        return replies.GO_AHEAD

    def verdict(self, problem: bytes, *, now: int, qp: int) -> bytes:
        """Say what became of the message; ``problem`` is empty, or D or Z and words."""
        self._answer()
        self._recipients = bytearray()
        if not problem:
            return b"250 ok %d qp %d\r\n" % (now, qp)
        if self.is_looping:
            return replies.LOOPING
        if self.is_too_big:
            return replies.TOO_BIG
        code = b"554 " if problem.startswith(b"D") else b"451 "
        return code + problem[1:] + b"\r\n"

    def _answer(self, state: int = _COMMANDS) -> None:
        if self._state != _ASKING:
            raise RuntimeError("there is nothing to answer")
        self._state = state
