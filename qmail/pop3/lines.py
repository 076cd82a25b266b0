"""Command lines of POP3, and the two kinds of reply to them (RFC 1939 3).

A line ends with LF; a CR before it goes, and a NUL ends what is looked at. The word up
to the first space, in any case, is the command; the rest, without the spaces before it,
is its argument: a password may hold spaces.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

MAX_LINE: Final = 65536
"""COMPAT: the original takes lines of any length and ends without a word when memory is
short; RFC 2449 4 asks for 255 octets."""

OK: Final = b"+OK \r\n"
END: Final = b".\r\n"


class LineTooLong(Exception):
    """The peer sends no end of a line."""


def error(text: bytes) -> bytes:
    """The reply that refuses a command."""
    return b"-ERR %b\r\n" % text


class CommandBuffer:
    """Bytes in, commands out, however the bytes were cut."""

    __slots__ = ("_buffer", "_max_line", "_searched")

    def __init__(self, max_line: int = MAX_LINE) -> None:
        self._buffer = bytearray()
        self._max_line = max_line
        self._searched = 0

    def receive(self, data: bytes) -> None:
        """Take what came from the peer."""
        self._buffer += data

    def next_command(self) -> tuple[bytes, bytes] | None:
        """(command in lower case, argument) of the next line; None: more is needed.

        Raises LineTooLong.
        """
        buffer = self._buffer
        end = buffer.find(b"\n", self._searched)
        length = len(buffer) if end < 0 else end
        if length > self._max_line:
            raise LineTooLong
        if end < 0:
            self._searched = length
            return None
        line = bytes(memoryview(buffer)[:end])
        del buffer[: end + 1]
        self._searched = 0
        return parse(line)


def parse(line: bytes) -> tuple[bytes, bytes]:
    """(command in lower case, argument) of a line without its LF."""
    word, _, argument = line.removesuffix(b"\r").partition(b"\0")[0].partition(b" ")
    return word.lower(), argument.lstrip(b" ")
