"""Directories and lock files of a home, made by root among those of other users.

SECURITY: qmailq, qmails and qmailr own directories in here, and may put a link in the
place of any name below theirs, at any moment. So every step from the home downwards is
taken from a descriptor of the directory before, and none of them through a link; only
the home and what is directly in it may lie behind a link, for there root alone makes
names.
"""

from __future__ import annotations

import errno
import os
import shlex
import stat

from qmail.operator import hier
from qmail.operator.places import Owners, SetupError

KINDS = {
    hier.DIRECTORY: stat.S_ISDIR,
    hier.FILE: stat.S_ISREG,
    hier.FIFO: stat.S_ISFIFO,
}
"""What a stat must say of each kind of entry."""

_STEP = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def make(home: str, entry: hier.Entry, owners: Owners) -> None:
    """Make what ``entry`` says if it is missing; set its owner and mode in any case.

    SetupError if something else is in its place, OSError if it cannot be made.
    """
    path = os.path.normpath(os.path.join(home, entry.path))
    if entry.path == ".":
        os.makedirs(os.path.dirname(os.path.abspath(home)), exist_ok=True)
        _make(None, path, entry)
        _own(None, path, path, entry, owners)
        return
    try:
        parent = _open_parent(home, entry)
    except OSError as error:
        raise SetupError(f"unable to go to {path}: {error.strerror}") from None
    try:
        name = os.path.basename(path)
        _make(parent, name, entry)
        _own(parent, name, path, entry, owners)
    finally:
        os.close(parent)


def _open_parent(home: str, entry: hier.Entry) -> int:
    fd = os.open(home, _STEP)
    for depth, step in enumerate(entry.path.split("/")[:-1]):
        flags = _STEP if depth == 0 else _STEP | os.O_NOFOLLOW
        try:
            below = os.open(step, flags, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


def _make(parent: int | None, name: str, entry: hier.Entry) -> None:
    try:
        if entry.kind == hier.DIRECTORY:
            os.mkdir(name, 0o700, dir_fd=parent)
        elif entry.kind == hier.FIFO:
            os.mkfifo(name, 0o600, dir_fd=parent)
        else:
            _make_file(parent, name, entry.size)
    except FileExistsError:
        pass


def _make_file(parent: int | None, name: str, size: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, 0o600, dir_fd=parent)
    try:
        os.write(fd, bytes(size))
    except OSError:
        # One that is too short would be kept for ever.
        os.unlink(name, dir_fd=parent)
        raise
    finally:
        os.close(fd)


def _own(
    parent: int | None, name: str, path: str, entry: hier.Entry, owners: Owners
) -> None:
    """Set owner, group and mode; nothing is written where they are right already."""
    uid, gid = owners.uid(entry.owner), owners.gid(entry.group)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    if not entry.may_be_link:
        flags |= os.O_NOFOLLOW
    try:
        fd = os.open(name, flags, dir_fd=parent)
    except OSError as error:
        if error.errno == errno.ELOOP and not entry.may_be_link:
            what = f"unable to open {path}: a link, and no {entry.kind} itself"
            raise SetupError(what + _remedy(path, entry)) from None
        raise SetupError(f"unable to open {path}: {error.strerror}") from None
    try:
        now = os.fstat(fd)
        if not KINDS[entry.kind](now.st_mode):
            what = f"{path} exists and is no {entry.kind}"
            raise SetupError(what + _remedy(path, entry))
        if entry.kind == hier.FILE and now.st_nlink != 1:
            raise SetupError(f"{path} has a second name")
        if (now.st_uid, now.st_gid) != (uid, gid):
            os.fchown(fd, uid, gid)
        if stat.S_IMODE(os.fstat(fd).st_mode) != entry.mode:
            os.fchmod(fd, entry.mode)
    except OSError as error:
        what = f"unable to set owner and mode of {path}"
        raise SetupError(f"{what}: {error.strerror}") from None
    finally:
        os.close(fd)


def _remedy(path: str, entry: hier.Entry) -> str:
    # Below queue/ it may hold mail, or be planted: there nothing is sure.
    return "" if entry.path.startswith("queue/") else moving_away(path)


def moving_away(path: str) -> str:
    """The line that says how to move what is in the way, over nothing that is there."""
    aside = f"{path}.wrong"
    while os.path.lexists(aside):
        aside += ".wrong"
    return f"\n...try: mv -T {shlex.quote(path)} {shlex.quote(aside)}"
