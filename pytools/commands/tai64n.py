"""tai64n: put a TAI64N label and a space in front of each line.

Contract     lines on descriptor 0, labelled lines on 1; a line is labelled when its
             first byte is read, and what was read is written before the next read.
Exit         0, 111 a read or write failed.
"""

from __future__ import annotations

import posix
import time

from pytools.base import fds
from pytools.multilog.lines import label, label_lines


def main(argv: list[bytes]) -> int:
    """Label until end of file."""
    in_line = False
    try:
        while block := posix.read(0, fds.BLOCK):
            end = block.rfind(b"\n") + 1
            lines, rest = block[:end], block[end:]
            if lines:
                labelled = label_lines(lines, time.time_ns(), mid_line=in_line)
                lines = b"\n".join([*labelled, b""])
                in_line = False
            if rest and not in_line:
                rest = label(time.time_ns()) + rest
                in_line = True
            fds.write_all(1, lines + rest)
    except OSError:
        return 111
    return 0
