"""A message as POP3 sends it: CRLF for LF, dots stuffed, and its end (RFC 1939 3).

Works on blocks of any size. What it carries over is only where it stands: at the start
of a line or not, in the header or not.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

END: Final = b"\r\n.\r\n"
"""The blank line before the dot is the original's: there are clients that need it."""


class Stuffer:
    """Encode one message; of its body the first ``lines`` lines, or all (None)."""

    __slots__ = ("_at_start", "_in_header", "_left", "is_full")

    def __init__(self, lines: int | None = None) -> None:
        self._at_start = True
        self._in_header = True
        self._left = lines
        self.is_full = False
        """True when no more of the message is wanted."""

    def encode(self, block: bytes) -> bytes:
        """The next block of the message."""
        at_start = self._at_start
        if self._left is None:
            if block:
                self._at_start = block.endswith(b"\n")
        else:
            block = self._wanted(block, self._left)
        # A dot that begins the block and a line has no LF before it to be found by.
        dot = b"." if at_start and block.startswith(b".") else b""
        return dot + block.replace(b"\n.", b"\n..").replace(b"\n", b"\r\n")

    def finish(self) -> bytes:
        """What follows the last block. POP3 cannot say that a last line had no end."""
        return END if self._at_start else b"\r\n" + END

    def _wanted(self, block: bytes, left: int) -> bytes:
        """The part of the block that is in the header, or in the lines that are left."""
        at = 0
        while at < len(block):
            if self._at_start and not self._in_header:
                if left == 0:
                    self.is_full = True
                    return block[:at]
                self._left = left = left - 1
            end = block.find(b"\n", at)
            if end == at and self._at_start:
                self._in_header = False
            self._at_start = end >= 0
            at = end + 1 if end >= 0 else len(block)
        return block
