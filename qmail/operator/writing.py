"""Files and links of an installation, put in place at once.

A program that runs keeps the file it was started from, and nobody finds half a file.
"""

from __future__ import annotations

import os
import stat


def write_by_rename(path: str, data: bytes, mode: int, uid: int, gid: int) -> None:
    """Give ``path`` that content at once; a running program keeps the old file."""
    tmp = f"{path}.new"
    if os.path.lexists(tmp):
        os.unlink(tmp)
    fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(fd, "wb") as file:
            # Not os.write: on a disk that is nearly full that may write a part.
            file.write(data)
            file.flush()
            os.fchown(fd, uid, gid)
            os.fchmod(fd, mode)
            os.fsync(fd)
        os.rename(tmp, path)
    except BaseException:
        os.unlink(tmp)
        raise


def link_by_rename(target: str, path: str) -> None:
    """Make ``path`` a symbolic link to ``target``, replacing what is there."""
    tmp = f"{path}.new"
    if os.path.lexists(tmp):
        os.unlink(tmp)
    os.symlink(target, tmp)
    os.rename(tmp, path)


def write_unless_there(path: str, data: bytes, mode: int, uid: int, gid: int) -> None:
    """``write_by_rename``, unless the file is just so."""
    try:
        # A FIFO must not hang it, and what a link leads to is not there.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            now = os.fstat(fd)
            is_there = stat.S_ISREG(now.st_mode)
            is_there &= (now.st_uid, now.st_gid) == (uid, gid)
            is_there &= stat.S_IMODE(now.st_mode) == mode
            if is_there and file.read(len(data) + 1) == data:
                return
    except OSError:
        pass
    write_by_rename(path, data, mode, uid, gid)


def link_unless_there(target: str, path: str) -> None:
    """``link_by_rename``, unless the link is just so."""
    if not os.path.islink(path) or os.readlink(path) != target:
        link_by_rename(target, path)
