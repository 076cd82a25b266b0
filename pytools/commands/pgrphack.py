"""pgrphack: run a program in a session and process group of its own.

Contract     pgrphack child ...; a process that leads its group already stays there.
Exit         100 usage, 111 the program could not be run; else the program's own.
"""

from __future__ import annotations

import posix

from pytools.base.exits import Next, Strerr

STRERR = Strerr(b"pgrphack")


def next_program(argv: list[bytes]) -> list[bytes] | None:
    """The chain that will run."""
    return argv[1:] or None


def main(argv: list[bytes]) -> int:
    """Leave the group, then become the program."""
    if len(argv) < 2:
        raise STRERR.usage(b"pgrphack child")
    try:
        posix.setsid()
    except OSError:
        # COMPAT: it leads a group, of itself or of others; the original says nothing.
        pass
    raise Next(argv[1:])
