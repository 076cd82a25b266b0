"""The client's side of QMQP: what qmail-queue reads, as a QMQP server wants it. Pure.

Descriptor 1 has ``F<sender>\\0 T<recipient>\\0 ... \\0``; the server gets
``length:length:message,length:sender,length:recipient, ... ,`` and says one netstring
that begins with K (queued), Z (not now) or D (never).
"""

from __future__ import annotations

from qmail.mail.netstrings import ProtocolError, Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Final

QUEUED: Final = b"K"
TEMPORARY: Final = b"Z"
PERMANENT: Final = b"D"

_REPLY_HEAD_MAX: Final = 16


class BadEnvelope(Exception):
    """What is on descriptor 1 is no envelope."""


class Envelope:
    """Turns the records of descriptor 1 into netstrings, ``encoded``."""

    __slots__ = ("_letter", "_record", "_searched", "complete", "encoded")

    def __init__(self) -> None:
        self._letter = b"F"
        self._record = bytearray()  # what of a record has come, its letter included
        self._searched = 0
        self.complete = False
        self.encoded = bytearray()

    @property
    def size(self) -> int:
        """How many bytes are held."""
        return len(self.encoded) + len(self._record)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; what follows the end is ignored. Raises BadEnvelope."""
        record = self._record
        record += chunk
        start = 0
        while not self.complete:
            nul = record.find(b"\0", max(start, self._searched))
            if nul < 0:
                break
            if nul == start and self._letter == b"T":
                self.complete = True
            elif record[start : start + 1] != self._letter:
                raise BadEnvelope
            else:
                self.encoded += b"%d:" % (nul - start - 1)
                self.encoded += memoryview(record)[start + 1 : nul]
                self.encoded += b","
                self._letter = b"T"
            start = nul + 1
        del record[:start]
        self._searched = len(record)


def request(
    message: bytes | bytearray, envelope: bytes | bytearray
) -> tuple[bytes | bytearray, ...]:
    """All that is to be sent, without a copy of what may be large.

    INVARIANT: the last part is one byte, without which no server queues the message.
    """
    head = b"%d:" % len(message)
    size = len(head) + len(message) + 1 + len(envelope)
    return b"%d:%b" % (size, head), message, b",", envelope, b","


class Reply:
    """The server's answer, of which the first letter says all."""

    __slots__ = ("_letters", "_reader")

    def __init__(self) -> None:
        self._reader = Reader()
        self._reader.end = _REPLY_HEAD_MAX
        self._letters = self._letter()

    def receive(self, data: bytes) -> bytes:
        """Take what came; K, Z or D as soon as it is known, else b"".

        Raises ProtocolError, also for b"", the end of file.
        """
        self._reader.receive(data)
        letter = next(self._letters)
        if letter is None and self._reader.eof:
            raise ProtocolError
        return letter or b""

    def _letter(self) -> Generator[bytes | None, None, None]:
        # COMPAT: the original takes the first K, Z or D of whatever comes, and so an
        # SMTP server for a QMQP server.
        length = yield from self._reader.length()
        letter = yield from self._reader.some(1)
        if not length or letter not in (QUEUED, TEMPORARY, PERMANENT):
            raise ProtocolError
        yield letter
