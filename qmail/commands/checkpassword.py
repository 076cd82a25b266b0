"""checkpassword: check a password, become its user, and run a program.

Contract     checkpassword prog [arg ...], as root; descriptor 3 as credentials.py says.
             1 the password is refused, 2 misuse, 111 a failure; else the program's own
             status. It says nothing: descriptor 2 may be the peer's connection.
Secrets      the program is always exec'ed; no memory that has held a password or a
             hash is left to the user.
"""

from __future__ import annotations

import posix
import time

from pytools.base import accounts, environment
from pytools.base.environment import environ
from pytools.base.exits import TEMPORARY, Exit, Next
from qmail.control import passwords
from qmail.pop3 import credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

REFUSED: Final = 1
MISUSED: Final = 2
DESCRIPTOR: Final = 3
SECONDS_A_DAY: Final = 86400


def main(argv: list[bytes]) -> int:
    """Check, change to the user, and become the program."""
    if len(argv) < 2:
        return MISUSED
    try:
        env = _become_user()
    except Exit:
        raise
    except credentials.Malformed:
        return MISUSED
    except Exception:
        # Even a trace of a bug would go to the peer.
        return TEMPORARY
    raise Next(argv[1:], env, on_error=lambda _: Exit(TEMPORARY), must_exec=True)


def _become_user() -> dict[bytes, bytes]:
    """The environment of the program. Raises Exit when the password is refused."""
    login, password = credentials.unpack(_read())
    today = int(time.time()) // SECONDS_A_DAY
    account = passwords.authenticate(login, password, today)
    if account is None:
        raise Exit(REFUSED)
    _enter(account)
    names: dict[bytes, bytes | None] = {
        b"USER": account.name,
        b"HOME": account.home,
        b"SHELL": account.shell,
    }
    return environment.edited(environ, names)


def _read() -> bytes:
    """All of descriptor 3, which is closed then. Raises Exit when it is too much."""
    data = b""
    while len(data) <= credentials.MAX_BYTES:
        part = posix.read(DESCRIPTOR, credentials.MAX_BYTES + 1 - len(data))
        if not part:
            posix.close(DESCRIPTOR)
            return data
        data += part
    raise Exit(REFUSED)


def _enter(account: accounts.Account) -> None:
    """Become the user, in his home. OSError.

    COMPAT: the original calls a failure of the first two 1, as if the password had been
    wrong.
    """
    accounts.set_gid(account.gid)
    accounts.set_uid(account.uid)
    posix.chdir(account.home)
