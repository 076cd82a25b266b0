"""recordio: run a program and log what goes in and out.

Contract     recordio program ...; a line of the log on descriptor 2 is the program's
             pid, ``<`` in or ``>`` out, the text, and a space where the line ended or
             ``+`` where it goes on; ``[EOF]`` for the end.
Exit         100 usage, 111 a failure; else the program's own.
"""

from __future__ import annotations

import posix

from pytools.base import fds
from pytools.base.exits import Strerr
from pytools.ucspi import copying

STRERR = Strerr(b"recordio")
LONGEST = 256
"""COMPAT: the original reads so much at once, and a line of its log is never longer."""


def next_program(argv: list[bytes]) -> list[bytes] | None:
    """The chain that will run."""
    return argv[1:] or None


def main(argv: list[bytes]) -> int:
    """Start the recorder, then become the program."""
    if len(argv) < 2:
        raise STRERR.usage(b"recordio program [ arg ... ]")
    pid = posix.getpid()

    def see_in(block: bytes) -> bytes:
        record(b"%d < " % pid, block)
        return block

    def see_out(block: bytes) -> bytes:
        record(b"%d > " % pid, block)
        return block

    raise copying.program_behind(argv[1:], STRERR, see_in, see_out)


def record(label: bytes, block: bytes) -> None:
    """Log a block, or the end; a log that cannot be written stops nothing."""
    pieces = range(0, len(block), LONGEST)
    texts = [entries(label, block[at : at + LONGEST]) for at in pieces]
    for text in texts or [label + b"[EOF]\n"]:
        try:
            # One write of less than PIPE_BUF bytes: never mixed with another's lines.
            fds.write_all(2, text)
        except OSError:
            pass


def entries(label: bytes, piece: bytes) -> bytes:
    """The lines of the log for a piece of the stream."""
    *lines, rest = piece.split(b"\n")
    text = b"".join([b"%b%b \n" % (label, line) for line in lines])
    return b"%b%b%b+\n" % (text, label, rest) if rest else text
