"""addcr: copy descriptor 0 to 1 with a CR added before each LF, whatever is there.

Exit         0 end of file, 111 cannot read or write. Says nothing.
"""

from __future__ import annotations

import posix

from pytools.base import fds


def main(argv: list[bytes]) -> int:
    """Copy, a block at a time."""
    try:
        while block := posix.read(0, fds.BLOCK):
            fds.write_all(1, block.replace(b"\n", b"\r\n"))
    except OSError:
        return 111
    return 0
