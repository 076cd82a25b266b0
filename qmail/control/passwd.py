"""users/assign made of the accounts of a passwd file, by the rules of users/ (pure).

Rules        qmail-pw2u(8). Names of users/include, exclude, mailnames and subusers are
             looked up without regard to case, as control files are.
"""

from __future__ import annotations

from pytools.base.options import scan_ulong
from qmail.control.maps import ConstMap

ALIAS = b"alias"
"""Who gets all other addresses."""


class Account:
    """A line of a passwd file; the numbers also as they are written there."""

    __slots__ = ("home", "name", "uid", "words")

    def __init__(self, name: bytes, uid: bytes, gid: bytes, home: bytes) -> None:
        self.name = name
        self.uid = scan_ulong(uid)[0]
        self.home = home
        self.words = b":%b:%b:%b:%b:" % (name, uid, gid, home)
        """What of an assignment stands between the address and the dash."""


class NoUser(Exception):
    """A line of users/subusers names an account that gets no mail."""


class Rules:
    """What the options and the files of users/ ask for."""

    __slots__ = (
        *("dash", "exclude", "include", "mailnames"),
        *("separator", "with_capitals"),
    )

    def __init__(self) -> None:
        self.dash = b"-"
        self.separator = b"-"
        """Between a user's name and an extension; empty: there are no extensions."""
        self.with_capitals = False
        self.include: ConstMap | None = None
        self.exclude: ConstMap | None = None
        self.mailnames: ConstMap | None = None

    def may_have_mail(self, account: Account) -> bool:
        """False for an account that is left out, whatever its home is like."""
        name = account.name
        if account.uid == 0:
            return False
        if not self.with_capitals and name != name.lower():
            return False
        if self.include is not None and name not in self.include:
            return False
        return self.exclude is None or name not in self.exclude

    def of_account(self, account: Account) -> list[bytes]:
        """The assignments of an account."""
        lines = []
        if account.name == ALIAS:
            lines.append(b"+%b%b::\n" % (account.words, self.dash))
        names = None
        if self.mailnames is not None:
            names = self.mailnames.get(account.name)
        for name in (account.name if names is None else names).split(b":"):
            if name:
                lines.append(b"=%b%b::\n" % (name, account.words))
                lines += self._extended(name, account.words, b"")
        return lines

    def of_subuser(self, line: bytes, accounts: ConstMap) -> list[bytes]:
        """The assignments of a line ``sub:user:pre:``; none if it is no such line.

        ``accounts`` has the ``words`` of each. Raises NoUser, for a line that lacks
        only the last colon, too.
        """
        pieces = line.split(b":", 3)
        if len(pieces) < 3:
            return []
        sub, user, pre = pieces[:3]
        words = accounts.get(user)
        if words is None:
            raise NoUser(user)
        if len(pieces) < 4:
            return []
        simple = b"=%b%b%b:%b:\n" % (sub, words, self.dash, pre)
        return [simple, *self._extended(sub, words, pre + b"-")]

    def _extended(self, name: bytes, words: bytes, pre: bytes) -> list[bytes]:
        """The wildcard for ``name``, the separator and anything."""
        if not self.separator:
            return []
        return [b"+%b%b%b%b:%b:\n" % (name, self.separator, words, self.dash, pre)]


def parse_line(line: bytes) -> Account | None:
    """The account of a line; None if it is none."""
    if b"\0" in line:
        return None
    pieces = line.split(b":", 6)
    if len(pieces) < 7:
        return None
    name, _, uid, gid, _, home, _ = pieces
    return Account(name, uid, gid, home)


def parse_list(text: bytes) -> list[bytes]:
    """The lines of a file of users/, without trailing blanks and comments."""
    lines = (line.rstrip(b" \t") for line in text.split(b"\n"))
    return [line for line in lines if line and not line.startswith(b"#")]
