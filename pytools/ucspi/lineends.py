"""Line ends, a block at a time: CR added before LF, or taken away.

Each class takes the blocks of a stream as they come; where a block ends makes no
difference to what comes out in all.
"""

from __future__ import annotations


class CrAdded:
    """Every LF gets a CR before it, unless it has one."""

    __slots__ = ("_after_cr",)

    def __init__(self) -> None:
        self._after_cr = False

    def feed(self, block: bytes) -> bytes:
        """What a block becomes."""
        if not block:
            return b""
        complete = self._after_cr and block.startswith(b"\n")
        self._after_cr = block.endswith(b"\r")
        fixed = block.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return fixed[1:] if complete else fixed


class CrRemoved:
    """Every LF loses the CR before it, one at most; any other CR stays."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        # INVARIANT: at most one byte is held back, a CR.
        self._held = False

    def feed(self, block: bytes) -> bytes:
        """What a block becomes; a CR at its end waits for the next one."""
        if self._held:
            block = b"\r" + block
        self._held = block.endswith(b"\r")
        if self._held:
            block = block[:-1]
        return block.replace(b"\r\n", b"\n")

    def end(self) -> bytes:
        """What is left at the end of the stream."""
        return b"\r" if self._held else b""
