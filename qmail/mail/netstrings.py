"""Netstrings that are too long to be held: read part by part, as the bytes come.

Theory       a session is a generator that reads its protocol from beginning to end and
             yields events; where bytes are missing it yields None and goes on when there
             are more. The parts below are generators too, for ``yield from``.
Memory       the bytes that were received last, and of those before them at most one
             address of ADDRESS_MAX bytes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import Final

LENGTH_MAX: Final = 200_000_000
ADDRESS_MAX: Final = 999
"""The longest address that a QMTP or QMQP server takes."""

EOF: Final = b"eof"
"""The event at the end: the peer has hung up."""

_COLON: Final = 58
_COMMA: Final = 44
_ZERO: Final = 48
_NINE: Final = 57


class ProtocolError(Exception):
    """The peer does not speak the protocol."""


class TooLong(ProtocolError):
    """A length that no netstring has, or more than this session may keep."""


class Reader:
    """Bytes of a peer, taken in order. ``end`` is where they may not be read beyond."""

    __slots__ = ("_at", "_before", "_data", "end", "eof")

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._before = 0  # bytes of the stream that come before _data
        self.end: int | None = None
        self.eof = False

    def receive(self, data: bytes) -> None:
        """Take what came from the peer; b"" is end of file."""
        if not data:
            self.eof = True
        self._before += self._at
        self._data = self._data[self._at :] + data
        self._at = 0

    @property
    def position(self) -> int:
        """How many bytes of the stream have been taken."""
        return self._before + self._at

    def left(self, end: int) -> int:
        """How many bytes there are to take before ``end``."""
        return end - self.position

    def length(self) -> Generator[None, None, int]:
        """The number in front of a netstring, and its colon. Raises ProtocolError.

        COMPAT: zeros in front, and no digit at all for 0, are taken; so are numbers a
        digit longer than LENGTH_MAX. The original takes bytes that are no digits, too.
        """
        value = 0
        while True:
            # PERF: not a call of _byte; a list of recipients is half lengths.
            self._check(1)
            while self._at == len(self._data):
                yield None
            code = self._data[self._at]
            self._at += 1
            if code == _COLON:
                return value
            if value > LENGTH_MAX:
                raise TooLong
            if not _ZERO <= code <= _NINE:
                raise ProtocolError
            value = 10 * value + code - _ZERO

    def comma(self) -> Generator[None, None, None]:
        """The end of a netstring. Raises ProtocolError."""
        if (yield from self._byte()) != _COMMA:
            raise ProtocolError

    def some(self, most: int) -> Generator[None, None, bytes]:
        """What there is: one byte at least, and at most so many."""
        self._check(1)
        while self._at == len(self._data):
            yield None
        part = self._data[self._at : self._at + most]
        self._at += len(part)
        return part

    def address(self, length: int) -> Generator[None, None, bytes | None]:
        """An address; None for one that is too long, and is thrown away."""
        self._check(length)
        if length > ADDRESS_MAX:
            while length:
                length -= len((yield from self.some(length)))
            return None
        while len(self._data) - self._at < length:
            yield None
        self._at += length
        return self._data[self._at - length : self._at]

    def _byte(self) -> Generator[None, None, int]:
        self._check(1)
        while self._at == len(self._data):
            yield None
        self._at += 1
        return self._data[self._at - 1]

    def _check(self, count: int) -> None:
        if self.end is not None and self.position + count > self.end:
            raise ProtocolError


class Session:
    """A session that a generator reads: ``_protocol``, of a subclass.

    It yields (kind, data) of what comes next, and None where bytes are missing.
    """

    __slots__ = ("_events", "_is_asking", "_reader")

    def __init__(self) -> None:
        self._reader = Reader()
        self._events = self._protocol()
        self._is_asking = False
        """True while the last event waits for its answer."""

    def receive(self, data: bytes) -> None:
        """Take what came from the peer; b"" is end of file."""
        self._reader.receive(data)

    def next_event(self) -> tuple[bytes, bytes] | None:
        """(kind, data) of what comes next; None: more bytes are needed.

        Raises ProtocolError.
        """
        if self._is_asking:
            raise RuntimeError("the last event was not answered")
        event = next(self._events, None)
        if event is None and self._reader.eof:
            self._events.close()
            return EOF, b""
        return event

    def events(self, read: Callable[[], bytes]) -> Iterator[tuple[bytes, bytes]]:
        """What comes until the peer hangs up; ``read`` gets more bytes.

        Raises ProtocolError, and what ``read`` raises.
        """
        while True:
            event = self.next_event()
            if event is None:
                self.receive(read())
            elif event[0] == EOF:
                return
            else:
                yield event

    def _protocol(self) -> Generator[tuple[bytes, bytes] | None, None, None]:
        raise NotImplementedError

    def _answer(self) -> None:
        if not self._is_asking:
            raise RuntimeError("there is nothing to answer")
        self._is_asking = False
