"""qail: move the new mail of a Maildir into the mbox, then read it with Mail.

Contract     elq's, with Mail.
"""

from __future__ import annotations

from qmail.retired.elq import read_with


def main(argv: list[bytes]) -> int:
    """Move, read."""
    return read_with(b"Mail", argv[1:])
