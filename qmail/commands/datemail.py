"""datemail: sendmail for a message that gets a Date field in local time.

Contract     every argument goes to sendmail, which predate runs; the status is its.
"""

from __future__ import annotations

from pytools.base import runtime
from pytools.base.exits import Next


def next_program(argv: list[bytes]) -> list[bytes]:
    """The chain that will run."""
    directory = runtime.home + b"/bin/"
    return [directory + b"predate", directory + b"sendmail", *argv[1:]]


def main(argv: list[bytes]) -> int:
    """Become predate."""
    raise Next(next_program(argv))
