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


class Chunk:
    """What a block of input gives, in this order.

    ``tail`` goes on with the long line that the last chunk's ``head`` began; ``lines``
    are whole lines, each with its newline; ``head`` begins a long line.
    """

    __slots__ = ("head", "lines", "tail")

    def __init__(self, tail: bytes, lines: bytes, head: bytes) -> None:
        self.tail = tail
        self.lines = lines
        self.head = head


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
                return Chunk(block, b"", b"")
            tail, block = block[:end], block[end:]
            self._in_long_line = False
        end = block.rfind(b"\n") + 1
        lines, rest = block[:end], block[end:]
        if lines:
            if self._clock is not None:
                lines = label_lines(lines, self._clock, mid_line=bool(self._held))
            if self._held:
                lines, self._held = self._held + lines, b""
        if rest:
            if self._clock is not None and not self._held:
                rest = label(self._clock()) + rest
            self._held += rest
            if len(self._held) >= WINDOW:
                head, self._held = self._held, b""
                self._in_long_line = True
                return Chunk(tail, lines, head)
        return Chunk(tail, lines, b"")

    def finish(self) -> Chunk:
        """End of file: what is held, ended by the newline that was missing."""
        if self._in_long_line:
            self._in_long_line = False
            return Chunk(b"\n", b"", b"")
        held, self._held = self._held, b""
        return Chunk(b"", held + b"\n" if held else b"", b"")


def label(ns: int) -> bytes:
    """The label of a line that began at ``ns`` Unix nanoseconds, with its space."""
    seconds, nanos = divmod(ns, _SECOND)
    return b"@%016x%08x " % (seconds + TAI_OFFSET, nanos)


def label_lines(lines: bytes, clock: Clock, mid_line: bool = False) -> bytes:
    """Label each line; ``lines`` ends in a newline. ``mid_line``: not the first one.

    PERF: a clock reading a line, but the digits of the second are made once a block;
    should the clock leave that second meanwhile, the block is labelled anew.
    """
    parts = lines.split(b"\n")
    parts.pop()
    begun = [parts.pop(0)] if mid_line else []
    seconds = clock() // _SECOND
    base = seconds * _SECOND
    prefix = b"@%016x" % (seconds + TAI_OFFSET)
    labelled = [b"%b%08x %b" % (prefix, clock() - base, part) for part in parts]
    if not base <= clock() < base + _SECOND:
        labelled = [label(clock()) + part for part in parts]
    labelled.append(b"")
    return b"\n".join(begun + labelled)
