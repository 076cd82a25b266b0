"""qmail-pw2u: print a users/assign made of the accounts of a passwd file.

Contract     qmail-pw2u [-/ohHuUC] [-cchar]; fd 0 the passwd file, fd 1 the assignments.
             0; 100 for misuse; 111 when a file of users/ cannot be read, a home or an
             account is missing that must be there, or there is no alias user.
Output       all of it or nothing.
"""

from __future__ import annotations

import posix

from pytools.base import fds, runtime
from pytools.base.exits import USAGE, Exit, Strerr
from pytools.base.options import BadOption, getopt
from qmail.control import passwd
from qmail.control.maps import ConstMap
from qmail.control.passwd import ALIAS, Account, Rules

PROG = Strerr(b"qmail-pw2u")
OPTIONS = b"/ohHuUCc:"


class Homes:
    """Which homes are looked at: -o the ones there are, -h all must be there, -H none."""

    __slots__ = ("letter",)

    def __init__(self) -> None:
        self.letter = b"o"

    def allow(self, account: Account) -> bool:
        """False if the home is not the account's; Exit if nobody can say."""
        if self.letter == b"H":
            return True
        try:
            return posix.stat(account.home).st_uid == account.uid
        except OSError as error:
            if isinstance(error, FileNotFoundError) and self.letter == b"o":
                return False
            raise PROG.fatal(b"unable to stat ", account.home) from None


def main(argv: list[bytes]) -> int:
    """Print the assignments."""
    rules, homes = parse(argv)
    try:
        posix.chdir(runtime.home)
    except OSError:
        raise PROG.fatal(b"unable to chdir") from None
    rules.include = _map(b"users/include")
    rules.exclude = _map(b"users/exclude")
    rules.mailnames = _map(b"users/mailnames", colon=True)
    try:
        text = fds.read_all(0)
    except OSError:
        raise PROG.fatal(b"unable to read input") from None
    accounts = [
        account
        for line in text.split(b"\n")
        if (account := passwd.parse_line(line)) is not None
        and rules.may_have_mail(account)
        and homes.allow(account)
    ]
    if all(account.name != ALIAS for account in accounts):
        raise PROG.fatal(b"unable to find ", ALIAS, b" user")
    output = [line for account in accounts for line in rules.of_account(account)]
    output += _subusers(rules, accounts)
    # COMPAT: the original would join the final dot to a last line without newline.
    appended = _read(b"users/append") or b""
    if appended and not appended.endswith(b"\n"):
        appended += b"\n"
    try:
        fds.write_all(1, b"".join(output) + appended + b".\n")
    except OSError:
        raise PROG.fatal(b"unable to write output") from None
    return 0


def parse(argv: list[bytes]) -> tuple[Rules, Homes]:
    """What the options ask for. Exit."""
    rules, homes = Rules(), Homes()
    try:
        options, _ = getopt(argv[1:], OPTIONS)
    except BadOption as bad:
        line = bad.explain(argv[0], OPTIONS)
        raise Exit(USAGE, line.removesuffix(b"\n")) from None
    for letter, value in options:
        if letter == b"/":
            rules.dash = b"-/"
        elif letter in b"ohH":
            homes.letter = letter
        elif letter in b"uU":
            rules.with_capitals = letter == b"u"
        else:
            # -C, or -c and its character.
            rules.separator = value[:1]
    return rules, homes


def _subusers(rules: Rules, accounts: list[Account]) -> list[bytes]:
    text = _read(b"users/subusers")
    if text is None:
        return []
    pairs = (account.name + b":" + account.words for account in accounts)
    known = ConstMap(pairs, colon=True)
    lines: list[bytes] = []
    for line in text.split(b"\n"):
        try:
            lines += rules.of_subuser(line, known)
        except passwd.NoUser as missing:
            what = (b"unable to find ", missing.args[0], b" user for subuser")
            raise PROG.fatal(*what) from None
    return lines


def _map(path: bytes, *, colon: bool = False) -> ConstMap | None:
    text = _read(path)
    return None if text is None else ConstMap(passwd.parse_list(text), colon=colon)


def _read(path: bytes) -> bytes | None:
    try:
        return fds.read_file(path)
    except FileNotFoundError:
        return None
    except OSError:
        raise PROG.fatal(b"unable to read controls") from None
