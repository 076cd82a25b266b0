"""Directory entries of a user's own mailboxes, made durable."""

from __future__ import annotations

import errno
import posix

from pytools.base.durable import sync_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.seams import Fs

_NO_FSYNC = frozenset((errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOTSUP))


def settle(directory: bytes, fs: Fs = posix) -> None:
    """Make the entries of ``directory`` durable, also where it may not be read."""
    try:
        sync_dir(directory, fs)
    except OSError as error:
        # DURABILITY: a drop box, writable but not readable, cannot be opened for
        # fsync, and some file systems (9p, shared folders) have none for directories.
        # A failure here would end deliveries that have always worked: for good into an
        # mbox, and with one more copy at each try into a Maildir.
        if error.errno not in _NO_FSYNC:
            raise
        posix.sync()
