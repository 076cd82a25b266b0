"""readproctitle: show what comes on descriptor 0 in this process's own command line.

Contract     the last argument, at least five bytes of whatever, becomes a ring of the
             last bytes read; ps shows it.
Exit         0 end of file, 100 no such argument, 111 read error. Says nothing.
"""

from __future__ import annotations

import posix

from pytools.supervision.titleline import TitleLine

MIN_SIZE = 5


def main(argv: list[bytes]) -> int:
    """Read until end of file."""
    if len(argv) < 2 or len(argv[-1]) < MIN_SIZE:
        return 100
    # A launcher gets its path for a name; ps is to show what it always showed.
    words = [argv[0].rpartition(b"/")[2], *argv[1:-1], b""]
    line = TitleLine(b" ".join(words), len(argv[-1]))
    while True:
        try:
            chunk = posix.read(0, 4096)
        except OSError:
            return 111
        if not chunk:
            return 0
        line.push(chunk)
