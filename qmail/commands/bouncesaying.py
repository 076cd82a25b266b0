"""bouncesaying: bounce the message, with a text, from a line of a .qmail file.

Contract     bouncesaying error [program [arg ...]]. Without program, or if it says yes
             (qmail.local.conditions), 100 with ``error`` on stderr; if it says no, 0;
             111 if it cannot say.
"""

from __future__ import annotations

from pytools.base.exits import USAGE, Strerr, complain
from qmail.local import conditions

PROG = Strerr(b"bouncesaying")


def main(argv: list[bytes]) -> int:
    """Ask the program, if there is one; bounce."""
    if len(argv) < 2:
        raise PROG.usage(b"bouncesaying error [ program [ arg ... ] ]")
    if argv[2:] and not conditions.holds(argv[2:], PROG):
        return 0
    complain(argv[1])
    return USAGE
