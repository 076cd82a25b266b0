"""maildirmake: make an empty maildir, see maildir(5).

Contract     argv[1] its name; 0, 100 for misuse, 111 if a directory cannot be made.
"""

from __future__ import annotations

import posix

from pytools.base.exits import Strerr


def main(argv: list[bytes]) -> int:
    """Make the directory with its tmp, new and cur, all for the caller alone."""
    strerr = Strerr(b"maildirmake")
    if len(argv) < 2:
        raise strerr.usage(b"maildirmake name")
    posix.umask(0o077)
    name = argv[1]
    for directory in (name, name + b"/tmp", name + b"/new", name + b"/cur"):
        try:
            posix.mkdir(directory, 0o700)
        except OSError as error:
            raise strerr.fatal(b"unable to mkdir ", directory, error=error) from None
    return 0
