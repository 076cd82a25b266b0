"""Directory entries of a user's own mailboxes, made durable."""

from __future__ import annotations

import posix

from pytools.base.durable import sync_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.seams import Fs


def settle(directory: bytes, fs: Fs = posix) -> None:
    """Make the entries of ``directory`` durable, also where it may not be read."""
    try:
        sync_dir(directory, fs)
    except PermissionError:
        # DURABILITY: a drop box, writable but not readable, cannot be opened for
        # fsync. Refusing it would end deliveries that have always worked.
        posix.sync()
