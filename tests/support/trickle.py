"""The same bytes in different pieces: what a protocol core makes of them must not change.

A network delivers a dialogue whole, a byte at a time, or cut anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

EVERY_CUT = 300
"""Up to this length each single cut is tried; of longer input, about so many."""


def pieces(wire: bytes) -> Iterator[list[bytes]]:
    """``wire`` whole, byte by byte, and cut in two at every point."""
    yield [wire] if wire else []
    yield [wire[at : at + 1] for at in range(len(wire))]
    step = max(1, len(wire) // EVERY_CUT)
    for cut in range(1, len(wire), step):
        yield [wire[:cut], wire[cut:]]
