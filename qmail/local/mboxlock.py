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
import posix
import struct
import time

from pytools.base import locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_ROUNDS: Final = 10
"""After so many without success, a look at the file system."""
_PAUSE_SECONDS: Final = 0.02
_LIMIT_SECONDS: Final = 60
"""Of rounds in vain. More than the 30 of a delivery, which then is a deferral."""
_DOUBT_SECONDS: Final = 10
"""The same, where nobody knows whether the kinds are one."""
_TAKEN: Final = frozenset((errno.EAGAIN, errno.EACCES))
_MOUNTS: Final = b"/proc/self/mountinfo"
_MOUNT_OF: Final = b"/proc/self/fdinfo/%d"
_NETWORK: Final = frozenset((b"nfs", b"nfs4", b"cifs", b"smb3", b"smbfs", b"9p"))
"""Where the client makes of a flock one of fcntl's: flock(2), of NFS and SMB."""
_PERHAPS: Final = b"fuse"
"""Where a program decides; the names go on after a dot."""
# struct flock: type, whence, start, length (0: to the end), pid (0, or the kernel
# refuses).
_WHOLE: Final = struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)
_NOTHING: Final = struct.pack("hhqqi", fcntl.F_UNLCK, 0, 0, 0, 0)


def lock_mailbox(fd: int) -> None:
    """Take both locks, waiting for them. OSError: the file has no flock, or others take
    turns with one lock and the other for a minute.

    Where it has no fcntl locks, flock has to do, as ever. The lock ends with the open
    file, not when the process closes another descriptor of the same file (F_OFD_SETLK).
    """
    rounds = 0
    are_one: bool | None = False
    began = time.monotonic()
    while not _lock_both(fd):
        rounds += 1
        if rounds == _ROUNDS:
            are_one = _are_one(fd)
        seconds = time.monotonic() - began
        if are_one or (are_one is None and seconds > _DOUBT_SECONDS):
            # The second may never be had beside the first, and need not be.
            locks.lock_ex(fd)
            return
        if seconds > _LIMIT_SECONDS:
            raise BlockingIOError(errno.EAGAIN, "the mailbox is locked")
        # Each waits for another time, or the same would meet in the next round.
        time.sleep(_PAUSE_SECONDS * posix.urandom(1)[0] / 256)


def _lock_both(fd: int) -> bool:
    """Take both, or none: False if somebody was faster with the second.

    Nobody waits for one lock while he holds the other, or two would wait for each other.
    """
    locks.lock_ex(fd)
    if _lock_records(fd, fcntl.F_OFD_SETLK):
        return True
    # Somebody has the other kind and may want this one next.
    locks.unlock(fd)
    _lock_records(fd, fcntl.F_OFD_SETLKW)
    try:
        locks.lock_ex_nb(fd)
    except BlockingIOError:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _NOTHING)
        return False
    return True


def _lock_records(fd: int, command: int) -> bool:
    """False if another process has it; True if it is ours, or there is no such lock."""
    try:
        fcntl.fcntl(fd, command, _WHOLE)
    except OSError as error:
        return error.errno not in _TAKEN
    return True


def _are_one(fd: int) -> bool | None:
    """Whether the two kinds are one there: the file system is one of a network.

    None: it cannot be known.

    To try it on the file itself would tell nothing while others lock it, too.
    """
    # Hardly ever needed, and not worth a module more for every delivery.
    from pytools.base.fds import read_file

    try:
        # proc_pid_fdinfo(5). The device would not do: with btrfs and overlayfs a file's
        # is not that of its mount.
        _, _, number = read_file(_MOUNT_OF % fd).partition(b"mnt_id:\t")
        mounts = read_file(_MOUNTS)
    except OSError:
        return None
    number = number.partition(b"\n")[0]
    for line in mounts.split(b"\n"):
        # proc_pid_mountinfo(5): id, parent, major:minor ... - type, source, options.
        mount, _, system = line.partition(b" - ")
        if mount.split(b" ")[0] == number:
            kind = system.partition(b" ")[0]
            if kind.partition(b".")[0] == _PERHAPS:
                return None
            return kind in _NETWORK
    return None
