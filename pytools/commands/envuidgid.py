"""envuidgid: run a program with $UID and $GID set to an account's numbers.

Contract     envuidgid account child ...; the process keeps its own user and group.
Exit         100 usage, 111 unknown account or a failure; else the program's own.
"""

from __future__ import annotations

from pytools.base import accounts
from pytools.base.environment import edited, environ
from pytools.base.exits import Next, Strerr

STRERR = Strerr(b"envuidgid")


def next_program(argv: list[bytes]) -> list[bytes] | None:
    """The chain that will run."""
    return argv[2:] or None


def main(argv: list[bytes]) -> int:
    """Set the two variables, then become the program."""
    if len(argv) < 3:
        raise STRERR.usage(b"envuidgid account child")
    account = accounts.wanted(argv[1], STRERR)
    numbers: dict[bytes, bytes | None] = {
        b"GID": b"%d" % account.gid,
        b"UID": b"%d" % account.uid,
    }
    raise Next(argv[2:], edited(environ, numbers))
