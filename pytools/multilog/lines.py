"""From blocks of input to lines, labelled as they begin (pure).

Contract     ``feed`` takes a block as it was read and gives a ``Chunk``; ``finish``, at
             end of file, gives what is still held, with the newline it lacks.
Window       the first 1000 bytes of a line, label included, decide where it goes. A
             line that is longer is passed on as it comes; a shorter one is held until
             it is whole.
INVARIANT    fewer than 1000 bytes are held back, and no byte is looked at twice.
"""

from __future__ import annotations

from pytools.base.tai import TAI_OFFSET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Clock = Callable[[], int]

WINDOW = 1000
_SECOND = 1_000_000_000
ENDS = tuple(b"%02x " % low for low in range(256))
"""How a label ends: its last two digits and the space."""


class Chunk:
    """What a block of input gives, in this order.

    ``tail`` goes on with the long line that the last chunk's ``head`` began; then come
    whole lines; ``head`` begins a long line.
    """

    __slots__ = ("_rows", "_text", "head", "tail")

    def __init__(
        self,
        tail: bytes = b"",
        text: bytes = b"",
        head: bytes = b"",
        rows: list[bytes] | None = None,
    ) -> None:
        """The whole lines are ``text``, or ``rows`` if those are given."""
        self.tail = tail
        self._text = text
        self.head = head
        self._rows = rows

    def text(self) -> bytes:
        """The whole lines, each with its newline."""
        if self._rows and not self._text:
            self._text = b"\n".join([*self._rows, b""])
        return self._text

    def rows(self) -> list[bytes]:
        """The whole lines, without newlines."""
        if self._rows is None:
            self._rows = self._text[:-1].split(b"\n") if self._text else []
        return self._rows


class Splitter:
    """Splits the input; with a clock every line gets a TAI64N label and a space."""

    __slots__ = ("_clock", "_held", "_in_long_line")

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self._held = b""
        self._in_long_line = False

    def feed(self, block: bytes) -> Chunk:
        """Take the next block."""
        tail = b""
        if self._in_long_line:
            end = block.find(b"\n") + 1
            if not end:
                return Chunk(tail=block)
            tail, block = block[:end], block[end:]
            self._in_long_line = False
        end = block.rfind(b"\n") + 1
        text, rest = self._held + block[:end] if end else b"", block[end:]
        rows = None
        if text:
            if self._clock is not None:
                rows = label_lines(text, self._clock(), mid_line=bool(self._held))
                text = b""
            self._held = b""
        head = b""
        if rest:
            if self._clock is not None and not self._held:
                rest = label(self._clock()) + rest
            self._held += rest
            if len(self._held) >= WINDOW:
                head, self._held = self._held, b""
                self._in_long_line = True
        return Chunk(tail, text, head, rows)

    def finish(self) -> Chunk:
        """End of file: what is held, ended by the newline that was missing."""
        if self._in_long_line:
            self._in_long_line = False
            return Chunk(tail=b"\n")
        held, self._held = self._held, b""
        return Chunk(text=held + b"\n" if held else b"")


def label(ns: int) -> bytes:
    """The label of a line that began at ``ns`` Unix nanoseconds, with its space."""
    seconds, nanos = divmod(ns, _SECOND)
    return b"@%016x%08x " % (seconds + TAI_OFFSET, nanos)


def label_lines(text: bytes, ns: int, mid_line: bool = False) -> list[bytes]:
    """The lines of ``text``, which ends in a newline, labelled and without newlines.

    ``mid_line``: the first one began before and gets none. The others were all there
    when the block was read, at ``ns``; each gets a label of its own all the same, one
    nanosecond after the last, so that sorting keeps their order.
    COMPAT: the original reads its clock of microseconds when it comes to the line.
    PERF: the last two digits come from a table, the others are made once for 256 lines.
    """
    lines = text.split(b"\n")
    lines.pop()
    labelled = [lines.pop(0)] if mid_line else []
    seconds, nanos = divmod(ns, _SECOND)
    if nanos + len(lines) > _SECOND:
        seconds, nanos = seconds + 1, 0
    at = 0
    while at < len(lines):
        start = b"@%016x%06x" % (seconds + TAI_OFFSET, nanos >> 8)
        ends = ENDS[nanos & 0xFF :][: len(lines) - at]
        some = lines[at : at + len(ends)]
        labels = [start + end for end in ends]
        labelled += [a + b for a, b in zip(labels, some, strict=True)]
        at += len(some)
        nanos += len(some)
    return labelled
