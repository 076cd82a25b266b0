"""except: turn the answer of a program round, in a line of a .qmail file.

Contract     except program [arg ...]. 100 if it says yes (qmail.local.conditions), 0 if
             it says no, 111 if it cannot say.
"""

from __future__ import annotations

from pytools.base.exits import USAGE, Strerr
from qmail.local import conditions

PROG = Strerr(b"except")


def main(argv: list[bytes]) -> int:
    """Ask the program."""
    if len(argv) < 2:
        raise PROG.usage(b"except program [ arg ... ]")
    return USAGE if conditions.holds(argv[1:], PROG) else 0
