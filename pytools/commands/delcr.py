"""delcr: copy descriptor 0 to 1 without the CR before each LF.

Exit         0 end of file, 111 cannot read or write. Says nothing.
"""

from __future__ import annotations

import posix

from pytools.base import fds
from pytools.ucspi.lineends import CrRemoved


def main(argv: list[bytes]) -> int:
    """Copy, a block at a time."""
    stream = CrRemoved()
    try:
        while block := posix.read(0, fds.BLOCK):
            if text := stream.feed(block):
                fds.write_all(1, text)
        if rest := stream.end():
            fds.write_all(1, rest)
    except OSError:
        return 111
    return 0
