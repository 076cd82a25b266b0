"""Users and groups by name, and becoming one of them.

Cold programs only: a look-up may leave sockets of a name service in the C library. Warm
parents ask through pytools.process.accounts.
"""

from __future__ import annotations

import posix


class Account:
    """A line of the password file."""

    __slots__ = ("gid", "home", "name", "shell", "uid")

    def __init__(
        self, name: bytes, uid: int, gid: int, home: bytes, shell: bytes
    ) -> None:
        self.name = name
        self.uid = uid
        self.gid = gid
        self.home = home
        self.shell = shell


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def by_name(name: bytes) -> Account | None:
    """The account, or None. OSError when the password database is in trouble."""
    import pwd

    if b"\0" in name:
        return None
    try:
        found = pwd.getpwnam(_text(name))
    except KeyError:
        return None
    return Account(
        name,
        found.pw_uid,
        found.pw_gid,
        found.pw_dir.encode("utf-8", "surrogateescape"),
        found.pw_shell.encode("utf-8", "surrogateescape"),
    )


def group_id(name: bytes) -> int | None:
    """The number of a group, or None."""
    import grp

    if b"\0" in name:
        return None
    try:
        return grp.getgrnam(_text(name)).gr_gid
    except KeyError:
        return None


def set_gid(gid: int) -> None:
    """Have exactly this group, and no supplementary other."""
    posix.setgroups([gid])
    posix.setgid(gid)


def set_uid(uid: int) -> None:
    """Become this user for good."""
    posix.setuid(uid)
