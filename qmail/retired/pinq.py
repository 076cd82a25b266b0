"""pinq: move the new mail of a Maildir into the mbox, then read it with pine.

Contract     elq's, with pine.
"""

from __future__ import annotations

from qmail.retired.elq import read_with


def main(argv: list[bytes]) -> int:
    """Move, read."""
    return read_with(b"pine", argv[1:])
