"""A POP3 session after its password, as qmail-pop3d sees it: TRANSACTION state.

    event     means                                        the caller
    REPLY     send ``data``                                goes on
    PART      send ``data``, more of the reply follows     goes on
    RETRIEVE  send message ``number`` with ``lines`` of    sends ``OK`` and the message,
              its body (None: all)                         or ``NO_SUCH``
    QUIT      the peer has said so: the UPDATE state       removes what ``is_deleted``,
                                                           sends its reply, hangs up
    ABANDON   send ``data``                                hangs up, removes nothing

Messages count from 0 here, on the wire from 1. The numbers hold for the session.
"""

from __future__ import annotations

from pytools.base.options import scan_ulong
from qmail.pop3.lines import END, OK, CommandBuffer, LineTooLong, error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final

REPLY: Final = b"reply"
PART: Final = b"part"
RETRIEVE: Final = b"retrieve"
QUIT: Final = b"quit"
ABANDON: Final = b"abandon"

PART_LINES: Final = 100
"""So many lines of a listing are made at once."""

SYNTAX: Final = error(b"syntax error")
UNIMPLEMENTED: Final = error(b"unimplemented")
DELETED: Final = error(b"already deleted")
FROM_ONE: Final = error(b"messages are counted from 1")
TOO_MANY: Final = error(b"not that many messages")
NO_SUCH: Final = error(b"unable to open that message")
NOT_REMOVED: Final = error(b"unable to unlink all deleted messages")
NO_MAILDIR: Final = error(b"this user has no $HOME/Maildir")
NO_SCAN: Final = error(b"unable to scan $HOME/Maildir")
FAILED: Final = error(b"temporary failure")
TOO_LONG: Final = error(b"line too long")


class Event:
    """What happened; ``number`` and ``lines`` are RETRIEVE's."""

    __slots__ = ("data", "kind", "lines", "number")

    def __init__(
        self, kind: bytes, data: bytes = b"", number: int = 0, lines: int | None = None
    ) -> None:
        self.kind = kind
        self.data = data
        self.number = number
        self.lines = lines


class Refused(Exception):
    """The command is not obeyed; the reply says why."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(reply)
        self.reply = reply


class Session:
    """The dialogue about ``count`` messages, whose size and name the caller knows."""

    __slots__ = ("_buffer", "_count", "_deleted", "_last", "_listing", "_name", "_size")

    def __init__(
        self, count: int, size: Callable[[int], int], name: Callable[[int], bytes]
    ) -> None:
        self._count = count
        self._size = size
        self._name = name
        self._deleted = bytearray(count)
        self._last = 0
        self._listing: Iterator[Event] | None = None
        self._buffer = CommandBuffer()

    def receive(self, data: bytes) -> None:
        """Take what came from the peer."""
        self._buffer.receive(data)

    def next_event(self) -> Event | None:
        """The next event; None: more bytes are needed."""
        if self._listing is not None:
            event = next(self._listing)
            if event.kind != PART:
                self._listing = None
            return event
        try:
            command = self._buffer.next_command()
        except LineTooLong:
            return Event(ABANDON, TOO_LONG)
        if command is None:
            return None
        try:
            return self._answer(*command)
        except Refused as refusal:
            return Event(REPLY, refusal.reply)

    def is_deleted(self, number: int) -> bool:
        """True if the peer wants that message removed."""
        return bool(self._deleted[number])

    def _answer(self, word: bytes, argument: bytes) -> Event:
        if word in (b"retr", b"top"):
            return self._retrieve(argument)
        if word == b"quit":
            return Event(QUIT)
        if word == b"stat":
            return Event(REPLY, self._stat())
        if word in (b"list", b"uidl"):
            return self._list(argument, uidl=word == b"uidl")
        if word == b"dele":
            return Event(REPLY, self._delete(self._number(argument)))
        if word == b"rset":
            self._deleted = bytearray(self._count)
            self._last = 0
            return Event(REPLY, OK)
        if word == b"last":
            return Event(REPLY, b"+OK %d\r\n" % self._last)
        return Event(REPLY, OK if word == b"noop" else UNIMPLEMENTED)

    def _number(self, argument: bytes) -> int:
        """The message that an argument begins with. Raises Refused."""
        number, digits = scan_ulong(argument)
        if not digits:
            raise Refused(SYNTAX)
        if number == 0:
            raise Refused(FROM_ONE)
        if number > self._count:
            raise Refused(TOO_MANY)
        if self._deleted[number - 1]:
            raise Refused(DELETED)
        return number - 1

    def _retrieve(self, argument: bytes) -> Event:
        # RETR takes the number of lines too: for the original both are one command.
        number = self._number(argument)
        rest = argument[scan_ulong(argument)[1] :].lstrip(b" ")
        lines, digits = scan_ulong(rest)
        return Event(RETRIEVE, number=number, lines=lines if digits else None)

    def _delete(self, number: int) -> bytes:
        self._deleted[number] = True
        self._last = max(self._last, number + 1)
        return OK

    def _kept(self) -> Iterator[int]:
        return (n for n in range(self._count) if not self._deleted[n])

    def _stat(self) -> bytes:
        # COMPAT: the original counts messages that are to be deleted, but not their
        # sizes. RFC 1939 5 leaves them out of both.
        number = self._count - sum(self._deleted)
        return b"+OK %d %d\r\n" % (number, sum(map(self._size, self._kept())))

    def _list(self, argument: bytes, *, uidl: bool) -> Event:
        line = self._uidl_line if uidl else self._size_line
        if argument:
            return Event(REPLY, b"+OK " + line(self._number(argument)))
        self._listing = self._parts(line)
        return Event(PART, OK)

    def _parts(self, line: Callable[[int], bytes]) -> Iterator[Event]:
        lines = []
        for number in self._kept():
            lines.append(line(number))
            if len(lines) == PART_LINES:
                yield Event(PART, b"".join(lines))
                lines.clear()
        yield Event(REPLY, b"".join((*lines, END)))

    def _size_line(self, number: int) -> bytes:
        return b"%d %d\r\n" % (number + 1, self._size(number))

    def _uidl_line(self, number: int) -> bytes:
        return b"%d %b\r\n" % (number + 1, self._name(number))
