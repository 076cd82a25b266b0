"""fixcrio: run a program with a CR added before each LF that lacks one, both ways.

Contract     fixcrio program ...
Exit         100 usage, 111 a failure; else the program's own.
"""

from __future__ import annotations

from pytools.base.exits import Strerr
from pytools.ucspi import copying
from pytools.ucspi.lineends import CrAdded

STRERR = Strerr(b"fixcrio")


def next_program(argv: list[bytes]) -> list[bytes] | None:
    """The chain that will run."""
    return argv[1:] or None


def main(argv: list[bytes]) -> int:
    """Start the copier, then become the program."""
    if len(argv) < 2:
        raise STRERR.usage(b"fixcrio program [ arg ... ]")
    see_in, see_out = CrAdded().feed, CrAdded().feed
    raise copying.program_behind(argv[1:], STRERR, see_in, see_out)
