"""One QMTP session as qmail-qmtpd sees it: bytes in, events and answers out.

Protocol     https://cr.yp.to/proto/qmtp.txt. Any number of messages, each
                 netstring(encoding message) netstring(sender)
                 netstring(netstring(recipient) ...)
             and then the answers: a netstring a recipient, in their order.

Rule 1. The session decides what the protocol alone decides; what needs a file, a clock
        or the queue becomes an event, and the caller answers it with one of the verbs.
Rule 2. A verb gives back the bytes to send. Nothing here reads or writes.

    event      means                                 answered by
    MESSAGE    a message begins                      (nothing)
    BODY       the next part of it, decoded          (nothing)
    SENDER     it is complete; its sender            (nothing)
    BADSENDER  ... which cannot be a sender          (nothing)
    RCPT       a recipient                           recipient_ok, recipient_refused
    END        the envelope is complete              verdict
    EOF        the peer has hung up                  (nothing)

ProtocolError ends the session.

Memory       one byte a recipient, below ``ceiling``; see also qmail.mail.netstrings.
"""

from __future__ import annotations

from qmail.mail import netstrings
from qmail.mail.netstrings import ProtocolError, TooLong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import Final

MESSAGE: Final = b"message"
BODY: Final = b"body"
SENDER: Final = b"sender"
BADSENDER: Final = b"badsender"
RCPT: Final = b"rcpt"
END: Final = b"end"
EOF: Final = netstrings.EOF

BAD_SENDER: Final = b"Dno sender has such an address, too long or with a NUL (#5.1.7)"
TOO_BIG: Final = b"Dmessage is larger than databytes allows (#5.3.4)"
NO_RELAY: Final = b"Dno mail for that domain here, it is not in rcpthosts (#5.7.1)"
BAD_RECIPIENT: Final = (
    b"Dno recipient has such an address, too long or with a NUL (#5.1.3)"
)

_LF: Final = b"\n"
_CR: Final = b"\r"

# What is to be answered for a recipient.
_TAKEN: Final = 0
_REFUSED: Final = 1
_IMPOSSIBLE: Final = 2

_ANSWERS_AT: Final = 4096


def netstring(text: bytes) -> bytes:
    return b"%d:%b," % (len(text), text)


class Session(netstrings.Session):
    """A QMTP session. ``suffix`` is what a relay client's recipients get appended."""

    __slots__ = (
        *("_ceiling", "_marks", "_max_size", "_pending", "_sender_ok"),
        *("_size", "_suffix", "is_wanted"),
    )

    def __init__(
        self, *, max_size: int = 0, suffix: bytes = b"", ceiling: int | None = None
    ) -> None:
        super().__init__()
        self._max_size = max_size
        self._suffix = suffix
        self._ceiling = ceiling
        self._pending = b""
        self._marks = bytearray()
        self._size = 0
        self._sender_ok = True
        self.is_wanted = False
        """True once the message has a recipient that the queue is to know."""

    @property
    def is_too_big(self) -> bool:
        """True when the message has more bytes than it may have."""
        return 0 < self._max_size < self._size

    # The protocol, from beginning to end.

    def _protocol(self) -> Generator[tuple[bytes, bytes] | None, None, None]:
        while True:
            yield from self._message()
            yield from self._sender()
            yield from self._recipients()
            self._is_asking = True
            yield END, b""

    def _message(self) -> Generator[tuple[bytes, bytes] | None, None, None]:
        left = yield from self._reader.length()
        if not left:
            raise ProtocolError
        encoding = yield from self._reader.some(1)
        if encoding not in (_LF, _CR):
            raise ProtocolError
        left -= 1
        # Of the LF encoding the size is known before the message.
        self._size = left if encoding == _LF else 0
        yield MESSAGE, b""
        held = b""
        while left:
            part = yield from self._reader.some(left)
            left -= len(part)
            if encoding == _CR:
                part = held + part
                held = _CR if left and part.endswith(_CR) else b""
                part = part[: len(part) - len(held)].replace(b"\r\n", b"\n")
                self._size += len(part)
            if part:
                yield BODY, part
        yield from self._reader.comma()

    def _sender(self) -> Generator[tuple[bytes, bytes] | None, None, None]:
        length = yield from self._reader.length()
        sender = yield from self._reader.address(length)
        yield from self._reader.comma()
        self._sender_ok = sender is not None and b"\0" not in sender
        if sender is not None and self._sender_ok:
            yield SENDER, sender
        else:
            yield BADSENDER, b""

    def _recipients(self) -> Generator[tuple[bytes, bytes] | None, None, None]:
        reader = self._reader
        self._marks = bytearray()
        self.is_wanted = False
        length = yield from reader.length()
        end = reader.position + length
        while reader.left(end):
            reader.end = end
            length = yield from reader.length()
            if length >= reader.left(end):
                raise ProtocolError
            address = yield from reader.address(length)
            yield from reader.comma()
            if self._ceiling is not None and len(self._marks) >= self._ceiling:
                raise TooLong
            if address is None or length + len(self._suffix) >= 1000:
                self._marks.append(_IMPOSSIBLE)
                continue
            self._pending = address
            self._is_asking = True
            yield RCPT, address
        reader.end = None
        yield from reader.comma()

    # What the caller answers.

    def recipient_ok(self) -> bytes | None:
        """The recipient's mail is taken here; the address to queue, None for none."""
        self._answer()
        if b"\0" in self._pending:
            self._marks.append(_IMPOSSIBLE)
            return None
        self._marks.append(_TAKEN)
        self.is_wanted = True
        return self._pending + self._suffix

    def recipient_refused(self) -> None:
        """The recipient's domain is not for this server."""
        self._answer()
        self._marks.append(_REFUSED)

    def verdict(self, problem: bytes, *, now: int, qp: int) -> Iterator[bytes]:
        """The answers, in pieces to send; ``problem`` is b"", or D or Z and words."""
        self._answer()
        if self.is_too_big:
            problem = TOO_BIG
        elif not self._sender_ok:
            problem = BAD_SENDER
        answers = (
            netstring(problem or b"Kok %d qp %d" % (now, qp)),
            netstring(NO_RELAY),
            netstring(BAD_RECIPIENT),
        )
        piece = bytearray()
        for mark in self._marks:
            piece += answers[mark]
            if len(piece) >= _ANSWERS_AT:
                yield bytes(piece)
                piece.clear()
        yield bytes(piece)
