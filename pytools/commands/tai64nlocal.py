"""tai64nlocal: turn the TAI64N label that begins a line into local time.

Contract     text on descriptor 0, the same on 1 with ``YYYY-MM-DD HH:MM:SS.nnnnnnnnn``
             for the labels; written before the next read.
Exit         0, 111 a read or write failed.
"""

from __future__ import annotations

import posix

from pytools.base import fds
from pytools.multilog.localtime import Translator


def main(argv: list[bytes]) -> int:
    """Translate until end of file."""
    translator = Translator()
    try:
        while block := posix.read(0, fds.BLOCK):
            fds.write_all(1, translator.feed(block))
    except OSError:
        return 111
    return 0
