"""pyqmail: the operator's command. Its home is the one it was installed with.

Contract     pyqmail status | check | inst-check | doctor | setup | run | version. Never
             part of a chain: click alone costs more at start than any other program
             of ours.
Exit         0, 1 something was found wrong, 100 usage, 111 trouble.
"""

from __future__ import annotations

from pytools.base import runtime


def main(argv: list[bytes]) -> int:
    """Leave it to click."""
    from qmail.operator import cli

    words = [word.decode("utf-8", "surrogateescape") for word in argv[1:]]
    return cli.main(words, runtime.home.decode("utf-8", "surrogateescape"))
