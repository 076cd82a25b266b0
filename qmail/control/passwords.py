"""Whether a password is that of an account of this machine.

Hashes       libcrypt's own: yescrypt, which is Debian's, is in no library of Python's,
             and neither ``crypt``, gone since Python 3.13, nor what stands in for it
             takes a password that is no UTF-8.
Shadow       getspnam_r: /etc/shadow, or what else nsswitch.conf names. Needs root.
Time         an account that is missing, locked, barred or root costs one hash as well,
             of Debian's kind: how long an answer takes says little about names.
Not for warm parents: name services leave descriptors in the C library.
"""

from __future__ import annotations

import ctypes
import errno
import posix
from _operator import _compare_digest

from pytools.base.accounts import Account, by_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

LIBRARIES: Final = ("libcrypt.so.1", "libcrypt.so.2", None)
"""glibc's name, Fedora's, and musl's, where crypt is in the C library itself."""
DECOYS: Final = (b"$y$j9T$saltsaltsaltsaltsalt./", b"$6$saltsaltsaltsalt")
"""Settings to hash with when there is nothing to compare with; the first that works."""
SHADOW: Final = b"/etc/shadow"
SHADOW_BYTES: Final = 16384
ROOT: Final = 0
UNSET: Final = -1
"""No such day in a shadow entry."""


def authenticate(name: bytes, password: bytes, today: int) -> Account | None:
    """The account, if it may be entered with this password; never root.

    ``today`` is in days since 1970. OSError when there is no telling.
    """
    account = by_name(name)
    stored = _stored_hash(name, today)
    if account is None or account.uid == ROOT or not password or not _is_hash(stored):
        _hash_in_vain(password)
        return None
    return account if matches(password, stored) else None


def matches(password: bytes, stored: bytes) -> bool:
    """True if that is the hash of ``password``. OSError when libcrypt cannot tell."""
    library = _libcrypt()
    hashed = _crypt(library, password, stored)
    if hashed is None:
        # Neither NULL nor errno tells a hash of no known kind from a lack of memory.
        if _knows(library, stored):
            raise OSError(errno.ENOMEM, "crypt")
        return False
    return _compare_digest(hashed, stored)


def is_barred(
    today: int, *, changed: int, max_days: int = UNSET, expires: int = UNSET
) -> bool:
    """True for an account that has expired, or a password that must be changed first.

    As at the machine's own login (pam_unix): there is no changing it by POP3.
    """
    if expires != UNSET and today >= expires:
        return True
    too_old = changed > 0 and max_days != UNSET and today - changed > max_days
    return changed == 0 or too_old


def _stored_hash(name: bytes, today: int) -> bytes:
    """The hash of the account's password; b"" if there is none or it is no use now."""
    _need_shadow()
    # struct spwd, whose nine fields are a word each.
    entry = (ctypes.c_long * 9)()
    strings = ctypes.create_string_buffer(SHADOW_BYTES)
    found = ctypes.c_void_p()
    code: int = ctypes.CDLL(None).getspnam_r(
        ctypes.c_char_p(name),
        entry,
        strings,
        ctypes.c_size_t(SHADOW_BYTES),
        ctypes.byref(found),
    )
    if found.value is None:
        if code not in (0, errno.ENOENT):
            raise OSError(code, "getspnam_r")
        return _hash_in_passwd(name)
    _, stored, changed, _, max_days, _, _, expires, _ = entry
    if is_barred(today, changed=changed, max_days=max_days, expires=expires):
        return b""
    return ctypes.string_at(stored) if stored else b""


def _need_shadow() -> None:
    """OSError if the file is there but not for us.

    A name service after it would answer with locks for everybody (nss-systemd does).
    """
    try:
        posix.close(posix.open(SHADOW, posix.O_RDONLY | posix.O_CLOEXEC))
    except FileNotFoundError:
        pass


def _hash_in_passwd(name: bytes) -> bytes:
    """Where a machine without shadow passwords has it."""
    import pwd

    try:
        found = pwd.getpwnam(name.decode("utf-8", "surrogateescape"))
    except KeyError:
        return b""
    return found.pw_passwd.encode("utf-8", "surrogateescape")


def _is_hash(stored: bytes) -> bool:
    """False for no password, and for what locks an account: ``!`` and ``*``."""
    return stored != b"" and stored[:1] not in b"!*"


def _hash_in_vain(password: bytes) -> None:
    """Take the time that a look at a real account takes."""
    library = _libcrypt()
    for setting in DECOYS:
        if _crypt(library, password, setting) is not None:
            return


def _libcrypt() -> ctypes.CDLL:
    for name in LIBRARIES:
        try:
            library = ctypes.CDLL(name)
            library.crypt.restype = ctypes.c_char_p
        except (OSError, AttributeError):
            continue
        return library
    raise OSError(errno.ELIBACC, "no libcrypt")


def _crypt(library: ctypes.CDLL, password: bytes, setting: bytes) -> bytes | None:
    hashed: bytes | None = library.crypt(
        ctypes.c_char_p(password), ctypes.c_char_p(setting)
    )
    return None if hashed is None or hashed.startswith(b"*") else hashed


def _knows(library: ctypes.CDLL, stored: bytes) -> bool:
    """True if the library has that kind of hash."""
    try:
        check = library.crypt_checksalt
    except AttributeError:
        return False
    # 1: no setting at all; 2: of a kind that is switched off.
    return check(ctypes.c_char_p(stored)) not in (1, 2)
