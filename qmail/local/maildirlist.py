"""The messages of a Maildir, for programs that hand them on: maildir2mbox and others.

Contract     the working directory is the Maildir. Messages come in the order of their
             arrival; the ones of this very second are left for the next time, because
             others may still come before them.
Format       maildir(5).
"""

from __future__ import annotations

import posix
import time

from pytools.base.environment import environ
from qmail.local.mailbox import clean_tmp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.exits import Strerr


class Unreadable(Exception):
    """A subdirectory that cannot be listed, and why."""

    def __init__(self, directory: bytes, error: OSError) -> None:
        super().__init__(directory, error)
        self.directory = directory
        self.error = error


class Message:
    """``path`` relative to the Maildir, and the second of its arrival."""

    __slots__ = ("path", "when")

    def __init__(self, path: bytes, when: int) -> None:
        self.path = path
        self.when = when


def enter(prog: Strerr) -> None:
    """Make $MAILDIR the working directory; Exit if it cannot be."""
    maildir = environ.get(b"MAILDIR")
    if maildir is None:
        raise prog.fatal(b"MAILDIR not set")
    try:
        posix.chdir(maildir)
    except OSError as error:
        raise prog.fatal(b"unable to chdir to ", maildir, error=error) from None


def messages(subdirectories: tuple[bytes, ...], prog: Strerr) -> list[Message]:
    """Clean, then scan, as of now; Exit if a subdirectory cannot be listed."""
    now = int(time.time())
    clean_tmp(now)
    try:
        return scan(subdirectories, now)
    except Unreadable as trouble:
        what = b"unable to scan $MAILDIR/" + trouble.directory
        raise prog.fatal(what, error=trouble.error) from None


def scan(subdirectories: tuple[bytes, ...], now: int) -> list[Message]:
    """The messages that arrived before the second ``now``. Raises Unreadable."""
    found = []
    for directory in subdirectories:
        try:
            paths = _entries(directory)
        except OSError as error:
            raise Unreadable(directory, error) from None
        for path in paths:
            try:
                arrived = posix.stat(path).st_mtime_ns
            except OSError:
                continue  # a reader has just moved or removed it
            # COMPAT: the original knows seconds only, and puts the messages of one in
            # the order in which the directory happens to have them.
            if arrived // 1_000_000_000 < now:
                found.append((arrived, path))
    found.sort()
    return [Message(path, arrived // 1_000_000_000) for arrived, path in found]


def _entries(directory: bytes) -> list[bytes]:
    # A name that begins with a dot is none of a message.
    names = [name for name in posix.listdir(directory) if not name.startswith(b".")]
    return [directory + b"/" + name for name in names]
