"""The lock of an mbox, held against everybody who takes one.

Two kinds    flock, the original's, and a lock of the whole file as fcntl has it, which
             procmail, Dovecot, Postfix and mutt take (Debian's policy, section 11.6,
             asks for it). On Linux neither kind knows of the other.
COMPAT: the original takes flock alone, and writes into the middle of what the others
             write. Dot-locks are left to them: whoever makes one locks by fcntl, too,
             and the directory of a mailbox need not be writable for us.
"""

from __future__ import annotations

import errno
import fcntl
import struct

from pytools.base import locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_ROUNDS: Final = 10
_TAKEN: Final = frozenset((errno.EAGAIN, errno.EACCES))
# struct flock: type, whence, start, length (0: to the end), pid (0, or the kernel
# refuses).
_WHOLE: Final = struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)
_NOTHING: Final = struct.pack("hhqqi", fcntl.F_UNLCK, 0, 0, 0, 0)


def lock_mailbox(fd: int) -> None:
    """Take both locks, waiting for them. OSError: the file has no flock.

    Where it has no fcntl locks, flock has to do, as ever. The lock ends with the open
    file, not when the process closes another descriptor of the same file (F_OFD_SETLK).
    """
    for _ in range(_ROUNDS):
        locks.lock_ex(fd)
        if _lock_records(fd, fcntl.F_OFD_SETLK):
            return
        # Somebody has the other kind and may want this one next: nobody waits for one
        # lock while he holds the other, or two would wait for each other.
        locks.unlock(fd)
        _lock_records(fd, fcntl.F_OFD_SETLKW)
        try:
            locks.lock_ex_nb(fd)
        except BlockingIOError:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _NOTHING)
        else:
            return
    # Where the two kinds are one (NFS), the second may never be had beside the first.
    locks.lock_ex(fd)


def _lock_records(fd: int, command: int) -> bool:
    """False if another process has it; True if it is ours, or there is no such lock."""
    try:
        fcntl.fcntl(fd, command, _WHOLE)
    except OSError as error:
        return error.errno not in _TAKEN
    return True
