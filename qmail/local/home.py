"""The user's home directory: may we deliver, and by which .qmail file.

Contract     the working directory is the home. Ends by ``Exit`` with 100 or 111 and a
             sentence that carries a status code; the sender of the message reads it.
"""

from __future__ import annotations

import posix

from pytools.base.exits import Exit, complain, is_temporary, reason
from pytools.base.fds import read_all
from qmail.local.dotqmail import candidates, owner_files
from qmail.mail.delivering import LARGEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

HARD: Final = 100
SOFT: Final = 111

_REGULAR = 0o100000
_TYPE = 0o170000
_WRITABLE = 0o002
_STICKY = 0o1000
_USER_EXECUTE = 0o100
_READ = posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC


def trouble(what: bytes, error: OSError, code: bytes = b"4.3.0") -> Exit:
    """The temporary end after a system call failed."""
    return Exit(SOFT, b"%b: %b. (#%b)" % (what, reason(error), code))


def enter(home: bytes, describing: bool) -> None:
    """Go to the home directory, and refuse one that is not safe to read from."""
    try:
        posix.chdir(home)
    except OSError as error:
        raise trouble(b"Unable to enter home directory " + home, error) from None
    try:
        mode = posix.stat(b".").st_mode
    except OSError as error:
        raise trouble(b"Unable to look at the home directory", error) from None
    # SECURITY: whoever can write here decides what runs as this user.
    if mode & _WRITABLE:
        raise Exit(SOFT, b"The home directory is writable by everybody. (#4.7.0)")
    if mode & _STICKY:
        if not describing:
            raise Exit(
                SOFT,
                b"The home directory is sticky: its owner is changing a .qmail file."
                b" (#4.2.1)",
            )
        complain(b"Warning: the home directory is sticky; delivery would wait.")


class Control:
    """The .qmail file in charge: its text, whether it may only forward, $DEFAULT."""

    __slots__ = ("default", "forward_only", "text")

    def __init__(self, text: bytes, forward_only: bool, default: bytes | None) -> None:
        self.text = text
        self.forward_only = forward_only
        self.default = default


def find_control(dash: bytes, ext: bytes) -> Control | None:
    """The first .qmail file that exists for this extension."""
    for name, default in candidates(dash, ext):
        opened = _open(name)
        if opened is not None:
            fd, forward_only = opened
            try:
                return Control(read_all(fd), forward_only, default)
            except OSError as error:
                raise trouble(b"Unable to read " + name, error) from None
            finally:
                posix.close(fd)
    return None


def _open(name: bytes) -> tuple[int, bool] | None:
    """Open one candidate; None if there is no such file."""
    try:
        fd = posix.open(name, _READ)
    except OSError as error:
        # A file that is there and can't be read is no missing file: going on to a
        # default file would deliver somewhere else.
        if is_temporary(error) or isinstance(error, PermissionError):
            raise trouble(b"Unable to open " + name, error) from None
        return None
    try:
        now = posix.fstat(fd)
        mode = now.st_mode
    except OSError as error:
        raise trouble(b"Unable to open " + name, error) from None
    if mode & _TYPE != _REGULAR:
        posix.close(fd)
        return None
    if mode & _WRITABLE:
        raise Exit(SOFT, b"The .qmail file is writable by everybody. (#4.7.0)")
    if now.st_size > LARGEST:
        raise Exit(SOFT, b"The .qmail file is too big. (#4.3.0)")
    return fd, bool(mode & _USER_EXECUTE)


def find_owner(dash: bytes, ext: bytes) -> tuple[bool, bool]:
    """Whether the -owner file, and with it the -owner-default file, exists."""
    owner, owner_default = owner_files(dash, ext)
    found = _exists(owner)
    return found, found and _exists(owner_default)


def _exists(name: bytes) -> bool:
    try:
        posix.stat(name)
    except OSError as error:
        if is_temporary(error):
            raise trouble(b"Unable to look at " + name, error) from None
        return False
    return True
