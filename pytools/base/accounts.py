"""Users and groups by name, and becoming one of them.

Cold programs only: a look-up may leave sockets of a name service in the C library. Warm
parents ask through pytools.process.accounts.
"""

from __future__ import annotations

import errno
import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.exits import Strerr

ENTRY_BYTES = 256
"""More than a struct passwd takes anywhere."""
STRINGS_BYTES = 16384
PASSWD = b"/etc/passwd"
OUTAGES = (
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO),
    *(errno.EAGAIN, errno.ETXTBSY, errno.ETIMEDOUT),
)
"""After these nobody knows whether the name exists. A service in nsswitch.conf that is not
running at all (ECONNREFUSED and its like) is none of them: on such a machine every name
that is missing ends so, every alias address among them."""


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
    """The account, or None. OSError when the password database is in trouble.

    ``pwd`` says KeyError to both. So the C library is asked once more for a name that
    is not found; a warm parent of those who ask often imports ctypes first (10 ms).
    """
    import pwd

    if b"\0" in name:
        return None
    try:
        found = pwd.getpwnam(_text(name))
    except KeyError:
        why = _why_missing(name)
        if why in OUTAGES:
            raise OSError(why, "password database") from None
        return None
    return Account(
        name,
        found.pw_uid,
        found.pw_gid,
        found.pw_dir.encode("utf-8", "surrogateescape"),
        found.pw_shell.encode("utf-8", "surrogateescape"),
    )


def wanted(name: bytes, strerr: Strerr) -> Account:
    """The account that a program's argument names; without it the program ends, 111."""
    try:
        account = by_name(name)
    except OSError as error:
        raise strerr.fatal(b"unable to look up ", name, error=error) from None
    if account is None:
        raise strerr.fatal(b"unknown account ", name)
    return account


def _why_missing(name: bytes) -> int:
    """The errno behind a name that ``pwd`` did not find; 0: it is missing.

    That of /etc/passwd first: with more services in nsswitch.conf, the C library gives
    only the last one's verdict.
    """
    try:
        posix.close(posix.open(PASSWD, posix.O_RDONLY | posix.O_CLOEXEC))
    except FileNotFoundError:
        pass
    except OSError as error:
        return error.errno or errno.EIO
    try:
        import ctypes
    except ImportError:
        return 0  # built without: as before, nobody can tell

    entry = ctypes.create_string_buffer(ENTRY_BYTES)
    strings = ctypes.create_string_buffer(STRINGS_BYTES)
    found = ctypes.c_void_p()
    code: int = ctypes.CDLL(None).getpwnam_r(
        name, entry, strings, ctypes.c_size_t(STRINGS_BYTES), ctypes.byref(found)
    )
    # Found now: the trouble is over already, but there was one.
    return errno.EAGAIN if code == 0 and found.value else code


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
