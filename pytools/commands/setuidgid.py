"""setuidgid: run a program with the user and group of an account.

Contract     setuidgid account child ...; exactly the account's own group, no others.
Exit         100 usage, 111 unknown account or a failure; else the program's own.
"""

from __future__ import annotations

from pytools.base import accounts
from pytools.base.exits import Next, Strerr

STRERR = Strerr(b"setuidgid")


def next_program(argv: list[bytes]) -> list[bytes] | None:
    """The chain that will run."""
    return argv[2:] or None


def main(argv: list[bytes]) -> int:
    """Become the account, then the program."""
    if len(argv) < 3:
        raise STRERR.usage(b"setuidgid account child")
    account = accounts.wanted(argv[1], STRERR)
    try:
        accounts.set_gid(account.gid)
    except OSError as error:
        raise STRERR.fatal(b"unable to setgid", error=error) from None
    try:
        accounts.set_uid(account.uid)
    except OSError as error:
        raise STRERR.fatal(b"unable to setuid", error=error) from None
    raise Next(argv[2:])
