"""qmail-getpw: find the user who controls a local address.

Contract     argv[1] the local part; stdout user, uid, gid, home, dash and ext, each
             ended by NUL. 0; 100 without argument; 111 if it cannot write; 115 when a
             home directory does not answer; 116 without an alias user; 118 when the
             password database fails. Nothing is printed unless the status is 0.
"""

from __future__ import annotations

import posix

from pytools.base.accounts import Account, by_name
from pytools.base.exits import USAGE, Exit, Strerr, is_temporary
from pytools.base.fds import write_all
from qmail.control.users import User, encode_user
from qmail.spawn import exitcodes

ALIAS = b"alias"
BREAK = b"-"
NAME_MAX = 31
"""The longest account name that is tried."""


def main(argv: list[bytes]) -> int:
    """Print the record of the user of ``argv[1]``."""
    if len(argv) < 2:
        return USAGE
    local = argv[1]
    try:
        user = owner(local) or alias(local)
    except OSError:
        return exitcodes.SYSTEM
    if user is None:
        return exitcodes.NO_ALIAS
    try:
        write_all(1, encode_user(user))
    except OSError as error:
        raise Strerr(b"qmail-getpw").fatal(b"unable to write", error=error) from None
    return 0


def splits(local: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """The (account name, dash, ext) that ``local`` may mean, the longest name first."""
    found = []
    for end in range(min(len(local), NAME_MAX), 0, -1):
        if end == len(local):
            found.append((local.lower(), b"", b""))
        elif local[end : end + 1] == BREAK:
            # The dash of the record is a hyphen whatever the break character is.
            found.append((local[:end].lower(), b"-", local[end + 1 :]))
    return found


def owner(local: bytes) -> User | None:
    """The user whose name ``local`` is or begins with; OSError if nobody can say."""
    for name, dash, ext in splits(local):
        account = by_name(name)
        if account is not None and account.uid and _is_at_home(account):
            home = account.home
            return User(account.name, account.uid, account.gid, home, dash, ext)
    return None


def alias(local: bytes) -> User | None:
    """The user who takes all other addresses."""
    account = by_name(ALIAS)
    if account is None:
        return None
    return User(account.name, account.uid, account.gid, account.home, b"-", local)


def _is_at_home(account: Account) -> bool:
    # An account that does not own its home is nobody who reads mail there.
    try:
        return posix.stat(account.home).st_uid == account.uid
    except OSError as error:
        if is_temporary(error):
            raise Exit(exitcodes.NFS) from None
        return False
