"""matchtest: try a multilog pattern on a text.

Contract     matchtest [pattern [text]]: prints ``+`` where the pattern matches, ``-``
             where not, then the pattern and the text. A missing argument is empty, more
             than two are not looked at.
Exit         0, whether it matches or not.
"""

from __future__ import annotations

from pytools.base import fds
from pytools.multilog.pattern import matches


def main(argv: list[bytes]) -> int:
    """Say whether argv[1] matches argv[2]."""
    pattern, text = [*argv[1:3], b"", b""][:2]
    verdict = b"+" if matches(pattern, text) else b"-"
    try:
        fds.write_all(1, b"%b%b (%b)\n" % (verdict, pattern, text))
    except OSError:
        # As in the original: nobody is told when the answer cannot be written.
        pass
    return 0
