"""The message on descriptor 0, read from its first byte as often as needed."""

from __future__ import annotations

import posix

from pytools.base.exits import Exit
from qmail.local.home import HARD, SOFT, trouble
from qmail.local.loops import LoopScan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 65536
_SEEK_SET = 0


def rewind() -> None:
    """Go back to the first byte."""
    try:
        posix.lseek(0, 0, _SEEK_SET)
    except OSError:
        raise Exit(SOFT, b"Unable to rewind the message. (#4.3.0)") from None


def blocks() -> Iterator[bytes]:
    """The whole message; ``Exit`` if it cannot be read."""
    rewind()
    try:
        while block := posix.read(0, _BLOCK):
            yield block
    except OSError as error:
        raise trouble(b"Unable to read the message", error) from None


def refuse_loop(delivered_to: bytes) -> None:
    """End if the header has this Delivered-To line already."""
    scan = LoopScan(delivered_to)
    for block in blocks():
        looping = scan.feed(block)
        if looping:
            raise Exit(
                HARD,
                b"This message is going round in circles: it has my Delivered-To line"
                b" already. (#5.4.6)",
            )
        if looping is not None:
            return
