"""What a caller and qmail-queued say to each other on run/queued. Pure.

Caller       pieces of the message, an end, pieces of the envelope, an end:
                 piece = length (4 bytes, big-endian, not 0) bytes
                 end   = 0 (4 bytes)
             The envelope is what qmail-queue reads on descriptor 1. End of file before
             the second end means: queue nothing.
Server       one record, then end of file:
                 answer = length of the rest (4 bytes) code (1) qp (8) text
             code is the exit code of qmail-queue, text goes with code 82.

The caller may send all of it without waiting; the answer may come at any time.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

MESSAGE: Final = 0
MESSAGE_END: Final = 1
ENVELOPE: Final = 2
ENVELOPE_END: Final = 3

END: Final = b"\0\0\0\0"

_ANSWER_HEAD: Final = 9
ANSWER_MAX: Final = _ANSWER_HEAD + 65535


def encode_piece(data: bytes | bytearray) -> bytes:
    """Frame one piece; nothing at all for no bytes, since that would be an end."""
    return len(data).to_bytes(4, "big") + data if data else b""


class Decoder:
    """The server's side: feed() gives (kind, bytes), data of one kind joined."""

    __slots__ = ("_head", "_left", "_section")

    def __init__(self) -> None:
        self._head = b""  # a length of which fewer than 4 bytes have come
        self._left = 0  # bytes to come of the piece that has begun
        self._section = MESSAGE

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Give what is complete; after the second end there is nothing more."""
        events: list[tuple[int, bytes]] = []
        parts: list[bytes] = []
        at = 0
        if self._head:
            data = self._head + data
            self._head = b""
        size = len(data)
        while at < size and self._section < ENVELOPE_END:
            if self._left:
                part = data[at : at + self._left]
                parts.append(part)
                at += len(part)
                self._left -= len(part)
                continue
            if size - at < 4:
                self._head = data[at:]
                break
            self._left = int.from_bytes(data[at : at + 4], "big")
            at += 4
            if not self._left:
                if parts:
                    events.append((self._section, b"".join(parts)))
                    parts = []
                events.append((self._section + 1, b""))
                self._section += 2
        if parts:
            events.append((self._section, b"".join(parts)))
        return events


class Encoder:
    """The caller's side: collects small writes into pieces.

    take() gives what should be sent now, and forgets it.
    """

    __slots__ = ("_framed", "_piece")

    def __init__(self) -> None:
        self._framed = bytearray()
        self._piece = bytearray()

    def put(self, data: bytes) -> int:
        """Add bytes to the section; gives how many wait to be taken."""
        self._piece += data
        return len(self._piece) + len(self._framed)

    def end(self) -> None:
        """End the section."""
        self._close_piece()
        self._framed += END

    def take(self) -> bytearray:
        self._close_piece()
        framed, self._framed = self._framed, bytearray()
        return framed

    def _close_piece(self) -> None:
        if self._piece:
            self._framed += encode_piece(self._piece)
            self._piece = bytearray()


class Answer:
    """The server's one record."""

    __slots__ = ("code", "qp", "text")

    def __init__(self, code: int, qp: int, text: bytes = b"") -> None:
        self.code = code
        self.qp = qp
        self.text = text


def encode_answer(answer: Answer) -> bytes:
    size = _ANSWER_HEAD + len(answer.text)
    qp = answer.qp.to_bytes(8, "big")
    return b"%b%c%b%b" % (size.to_bytes(4, "big"), answer.code, qp, answer.text)


def decode_answer(data: bytes) -> Answer | None:
    """Give the answer; None while it is incomplete. ValueError if it is not one."""
    if len(data) < 4:
        return None
    size = int.from_bytes(data[:4], "big")
    if not _ANSWER_HEAD <= size <= ANSWER_MAX:
        raise ValueError("not an answer")
    if len(data) < 4 + size:
        return None
    qp = int.from_bytes(data[5:13], "big")
    return Answer(data[4], qp, data[13 : 4 + size])
