"""A server's reply: three digits, and text on one or more lines.

Grammar      RFC 5321 4.2: ``250-text`` CRLF ... ``250 text`` CRLF. The first line's
             code counts; the fourth byte says whether more lines follow.
Memory       however long a reply is, MAX_TEXT bytes of it are kept; one that is longer
             than MAX_BYTES is cut there, and nothing behind it is read.
"""

from __future__ import annotations

MAX_TEXT = 5000
"""Bytes kept of a reply."""

MAX_BYTES = 1_000_000
"""Bytes read of one reply; a server that goes on and on gets no more attention."""

MALFORMED = 499
"""The code of a reply that does not begin with three digits.

COMPAT: the original computes a number from whatever bytes are there, mostly one that
means permanent failure. A server that talks nonsense is worth another try.
"""


class Reply:
    """A complete reply: its code, and its text without CR, each line with its LF."""

    __slots__ = ("code", "text")

    def __init__(self, code: int, text: bytes) -> None:
        self.code = code
        self.text = text

    @property
    def is_permanent(self) -> bool:
        """True for a failure that another try does not mend.

        COMPAT: 5xx. A code above 599, which SMTP does not have, is the original's
        permanent failure, too; it is not known what it means, so it is for now.
        """
        return 500 <= self.code <= 599

    @property
    def keywords(self) -> frozenset[bytes]:
        """The service extensions of a reply to EHLO, in upper case (RFC 5321 4.1.1.1).

        The first line is the server's name and greeting.
        """
        lines = self.text.split(b"\n")[1:]
        return frozenset(line[4:].partition(b" ")[0].upper() for line in lines)


class ReplyTooLong(Exception):
    """A reply goes on for more than MAX_BYTES: what follows cannot be understood."""


class ReplyReader:
    """Bytes in, replies out."""

    __slots__ = ("_code", "_head", "_input", "_size", "_text")

    def __init__(self) -> None:
        self._input = b""
        self._size = 0
        self._text = bytearray()
        self._head = b""
        """The line's first bytes, 4 at most."""
        self._code: int | None = None

    def receive(self, data: bytes) -> None:
        """Take what came from the server."""
        self._input += data

    def next_reply(self) -> Reply | None:
        """The next complete reply; None: more bytes are needed. Raises ReplyTooLong."""
        data, at = self._input, 0
        while at < len(data):
            end = data.find(b"\n", at) + 1
            piece = data[at : end or len(data)]
            at += len(piece)
            self._keep(piece)
            if self._size > MAX_BYTES:
                # COMPAT: the original reads on for as long as bytes come.
                raise ReplyTooLong
            if not end:
                break
            if self._ends_line():
                self._input = data[at:]
                return self._complete()
        self._input = b""
        return None

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        self._head = (self._head + piece[:4])[:4]
        room = MAX_TEXT - len(self._text)
        if room > 0:
            self._text += piece.replace(b"\r", b"")[:room]

    def _ends_line(self) -> bool:
        """A line is complete: True when it is the last of its reply."""
        head, self._head = self._head, b""
        if self._code is None:
            digits = head[:3]
            is_code = len(digits) == 3 and digits.isdigit()
            self._code = int(digits) if is_code else MALFORMED
        return head[3:4] != b"-"

    def _complete(self) -> Reply:
        reply = Reply(self._code or 0, bytes(self._text))
        self._code = None
        self._size = 0
        self._text.clear()
        return reply
