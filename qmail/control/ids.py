"""The eight users and two groups, looked up by name at run time.

The original compiles their numbers in; here a program asks when it starts, so that one
installation serves machines with different numbers. The trial instance, which has one
user for all roles, says so in a file of its home.
"""

from __future__ import annotations

import errno

from pytools.base import accounts, runtime
from pytools.base.fds import read_file
from pytools.process.child import in_child

USERS = (b"alias", b"qmaild", b"qmaill", b"root", b"qmailp", b"qmailq", b"qmailr")
"""In the order of conf-users; qmails comes last."""

TRIAL_FILE = b"/trial"
"""Below a home: ``uid gid`` of the one user who plays all roles of a trial instance."""


class UnknownAccount(OSError):
    """A user or group of qmail does not exist on this machine."""

    def __init__(self, name: bytes) -> None:
        text = "no such user or group: " + name.decode("utf-8", "replace")
        super().__init__(errno.ENOENT, text)
        self.name = name


class Ids:
    """The uids of the users (``root`` is 0 save in a trial), the gids of the groups."""

    __slots__ = (
        *("alias", "qmaild", "qmaill", "root", "qmailp", "qmailq", "qmailr"),
        *("qmails", "qmail", "nofiles"),
    )

    def __init__(self, numbers: list[int]) -> None:
        for name, number in zip(self.__slots__, numbers, strict=True):
            setattr(self, name, number)

    alias: int
    qmaild: int
    qmaill: int
    root: int
    qmailp: int
    qmailq: int
    qmailr: int
    qmails: int
    qmail: int
    nofiles: int


def lookup() -> Ids:
    """Ask the name service now. UnknownAccount if one is missing. For cold programs."""
    return Ids(_numbers())


def lookup_warm() -> Ids:
    """Ask in a child, for programs that fork others."""

    def work() -> bytes:
        try:
            return b" ".join(b"%d" % number for number in _numbers())
        except UnknownAccount as error:
            return b"?" + error.name

    answer = in_child(work)
    if answer.startswith(b"?"):
        raise UnknownAccount(answer[1:])
    return Ids([int(word) for word in answer.split()])


def _numbers() -> list[int]:
    try:
        uid, gid = (int(word) for word in read_file(runtime.home + TRIAL_FILE).split())
    except (OSError, ValueError):
        pass
    else:
        return [uid] * 8 + [gid] * 2
    numbers: list[int] = []
    for name in (*USERS, b"qmails"):
        account = accounts.by_name(name)
        if account is None:
            raise UnknownAccount(name)
        numbers.append(account.uid)
    for name in (b"qmail", b"nofiles"):
        gid_found = accounts.group_id(name)
        if gid_found is None:
            raise UnknownAccount(name)
        numbers.append(gid_found)
    return numbers
