"""Has this message been here? The search for our own Delivered-To line (pure)."""

from __future__ import annotations


class LoopScan:
    """Feed it the message; it looks no further than the header.

    INVARIANT: what is carried from block to block is shorter than the line sought, so a
    header of any size costs no memory.
    """

    __slots__ = ("_carried", "_sought")

    def __init__(self, line: bytes) -> None:
        self._sought = b"\n" + line
        self._carried = b"\n"

    def feed(self, data: bytes) -> bool | None:
        """True: looping. False: the header is over, all is well. None: go on."""
        window = self._carried + data
        end = window.find(b"\n\n")
        seen = window.find(self._sought, 0, len(window) if end < 0 else end + 1)
        if seen >= 0:
            return True
        if end >= 0:
            return False
        self._carried = window[1 - len(self._sought) :]
        return None
