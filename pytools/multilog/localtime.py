"""From TAI64N labels to local time (pure but for the zone).

Label        ``@`` at the beginning of a line and all lower-case hexadecimal digits after
             it: the last 8 are nanoseconds, those before them seconds, modulo 2^64.
COMPAT       fewer than 24 digits, or more, are read the same way, as in the original. A
             time that has no year (``@``, ``@beef``) ended the original with SIGSEGV;
             here its line is passed on as it is.
"""

from __future__ import annotations

import time

from pytools.base.tai import TAI_OFFSET

HEX = b"0123456789abcdef"
_WORD = 1 << 64
_SIGN = 1 << 63


class Translator:
    """Translates text piece by piece; only an unfinished label is held back."""

    __slots__ = ("_held", "_in_line", "_second", "_text")

    def __init__(self) -> None:
        self._held = b""
        self._in_line = False
        # PERF: lines come many a second, and a second has one text.
        self._second = b""
        self._text = b""

    def feed(self, block: bytes) -> bytes:
        """The translation of the next piece of input.

        COMPAT: what is held back at end of file, a label that no other character
        follows, is never printed; the original waits for that character, too.
        """
        lines = (self._held + block).split(b"\n")
        self._held = b""
        output = []
        if self._in_line:
            output.append(lines.pop(0))
        last = len(lines) - 1
        for place, line in enumerate(lines):
            if line[:1] != b"@":
                output.append(line)
            elif place == last and not line[1:].lstrip(HEX):
                self._held = line
            else:
                output.append(self._translate(line))
        text = b"\n".join(output)
        if self._held:
            self._in_line = False
            # The newline in front of what is held, unless it began the input.
            return text + b"\n" if output else text
        self._in_line = bool(output[-1])
        return text

    def _translate(self, line: bytes) -> bytes:
        rest = line[1:].lstrip(HEX)
        digits = line[1 : len(line) - len(rest)]
        second, nanos = digits[:-8], digits[-8:]
        if second != self._second or not self._text:
            text = local(second)
            if text is None:
                return line
            self._second, self._text = second, text
        return b"%b.%09d%b" % (self._text, int(nanos or b"0", 16), rest)


def local(digits: bytes) -> bytes | None:
    """``YYYY-MM-DD HH:MM:SS`` for the seconds of a label; None if there is no year."""
    seconds = int(digits[-16:] or b"0", 16) - TAI_OFFSET
    # 64-bit arithmetic: what is below the range comes out above it.
    seconds = (seconds + _SIGN) % _WORD - _SIGN
    try:
        t = time.localtime(seconds)
    except (OverflowError, OSError):
        return None
    # COMPAT: a year before 0 is printed as the unsigned number it is in C.
    return b"%d-%02d-%02d %02d:%02d:%02d" % (t[0] % _WORD, *t[1:6])
