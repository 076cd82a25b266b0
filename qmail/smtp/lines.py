"""Command lines out of what a client sends.

End          LF, with or without a CR before it: people type commands into programs that
             send no CR. Of a message only CR LF ends a line (qmail/smtp/data.py).
Limit        RFC 5321 4.5.3.1.4 has 512 bytes and what extensions add. MAX_LINE is room
             for the longest address with every byte escaped, and a long route before it.
Security     NUL, and CR anywhere else, make a line malformed: what stands behind them is
             seen by some programs and not by others.
COMPAT       to the original NUL is the line's end, such a CR a character, and lines may
             be as long as memory allows.
"""

from __future__ import annotations

MAX_LINE = 8192
"""Bytes, without the line end."""


class MalformedLine(Exception):
    """A line that is no command, whatever it says."""


class LineTooLong(MalformedLine):
    """A line of more than MAX_LINE bytes."""


class LineReader:
    """Bytes in, lines out. ``take_rest`` gives what has not been read as lines.

    INVARIANT: of a line that is too long nothing is kept but that it is.
    """

    __slots__ = ("_buffer", "_is_long", "_searched")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._is_long = False

    def receive(self, data: bytes) -> None:
        """Take what came from the client."""
        self._buffer += data

    def take_rest(self) -> bytes:
        """What came behind the last line; it is no longer here."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._searched = 0
        return rest

    def next_line(self) -> bytes | None:
        """The next line without its end; None: more bytes are needed.

        Raises MalformedLine in the place of a line that is malformed.
        """
        buffer = self._buffer
        end = buffer.find(b"\n", self._searched)
        if end < 0:
            # The CR of the line end may be the last byte so far.
            if self._is_long or len(buffer) > MAX_LINE + 1:
                self._is_long = True
                buffer.clear()
            self._searched = len(buffer)
            return None
        is_long = self._is_long or end > MAX_LINE + 1
        line = b"" if is_long else bytes(memoryview(buffer)[:end]).removesuffix(b"\r")
        del buffer[: end + 1]
        self._searched = 0
        self._is_long = False
        if is_long or len(line) > MAX_LINE:
            raise LineTooLong
        if b"\0" in line or b"\r" in line:
            raise MalformedLine
        return line
