"""Whose address is it: users/assign as text, users/cdb as a look-up.

Format       qmail-users(5). cdb: key ``!local`` NUL for an exact address, ``!prefix``
             for a wildcard, both lower-cased; the empty key holds the last bytes of all
             wildcards. Data: user NUL uid NUL gid NUL home NUL dash NUL ext.
Order        exact, then the longest wildcard first, then the wildcard of everything.
"""

from __future__ import annotations

from pytools.base.cdb import Broken, Cdb
from pytools.base.options import scan_ulong

CDB_PATH = b"users/cdb"


class BadAssign(Exception):
    """A line of users/assign that is no assignment, and why."""

    def __init__(self, line: int, reason: bytes) -> None:
        super().__init__(line, reason)
        self.line = line
        self.reason = reason


class User:
    """Who controls an address, and which of his .qmail files says how."""

    __slots__ = ("dash", "ext", "gid", "home", "name", "uid")

    def __init__(
        self, name: bytes, uid: int, gid: int, home: bytes, dash: bytes, ext: bytes
    ) -> None:
        self.name = name
        self.uid = uid
        self.gid = gid
        self.home = home
        self.dash = dash
        self.ext = ext


def encode_user(user: User) -> bytes:
    """The six pieces, each ended by NUL, as qmail-getpw prints them."""
    return b"%b\0%d\0%d\0%b\0%b\0%b\0" % (
        user.name,
        user.uid,
        user.gid,
        user.home,
        user.dash,
        user.ext,
    )


def decode_user(record: bytes) -> User:
    """A record of qmail-getpw or of ``look_up``. ValueError if it is not whole."""
    pieces = record.split(b"\0")
    if len(pieces) < 7:
        raise ValueError(record)
    name, uid, gid, home, dash, ext = pieces[:6]
    return User(name, scan_ulong(uid)[0], scan_ulong(gid)[0], home, dash, ext)


def parse_assign(text: bytes) -> list[tuple[bytes, bytes]]:
    """The records of the cdb, in order, for the text of users/assign. Raises BadAssign.

    assignment = ( "=" local / "+" prefix ) ":" user ":" uid ":" gid ":" home ":" dash
                 ":" ext ":" ; a line that begins with "." ends the file.
    """
    records: list[tuple[bytes, bytes]] = []
    wildcards = bytearray()
    lines = text.split(b"\n")
    for number, line in enumerate(lines, 1):
        if line.startswith(b"."):
            records.append((b"", bytes(wildcards)))
            return records
        if number == len(lines):
            # The line of a single dot proves that nothing was cut off.
            raise BadAssign(number, b"no final line with a dot")
        if b"\0" in line:
            raise BadAssign(number, b"a NUL")
        address, *pieces = line.split(b":", 7)
        if not address:
            raise BadAssign(number, b"no address")
        if len(pieces) < 7:
            raise BadAssign(number, b"too few colons")
        # COMPAT: whatever does not begin with + is an exact address, as ever.
        key = b"!" + address[1:].lower()
        if address.startswith(b"+"):
            # COMPAT: the byte is kept in its own case, so a wildcard that ends in a
            # capital letter matches nothing. The bytes are the original's.
            if len(address) > 1 and address[-1] not in wildcards:
                wildcards.append(address[-1])
        else:
            key += b"\0"
        records.append((key, b"\0".join(pieces[:6])))
    raise AssertionError("the last line returns or raises")


def candidates(local: bytes, wildcards: bytes) -> list[tuple[bytes, bytes]]:
    """The (key, rest of the address) to be tried for ``local``, best first."""
    lowered = b"!" + local.lower()
    found = [(lowered + b"\0", b"")]
    found += [
        (lowered[:length], local[length - 1 :])
        for length in range(len(lowered), 0, -1)
        if length == 1 or lowered[length - 1] in wildcards
    ]
    return found


def look_up(local: bytes, path: bytes = CDB_PATH) -> bytes | None:
    """The record for ``local`` as ``decode_user`` takes it; None if users/cdb has none.

    No file is no answer; any other trouble with it is an OSError.
    """
    try:
        database = Cdb(path)
    except FileNotFoundError:
        return None
    try:
        wildcards = database.get(b"")
        if wildcards is None:
            raise Broken
        for key, rest in candidates(local, wildcards):
            data = database.get(key)
            if data is not None:
                return data + rest + b"\0"
        return None
    finally:
        database.close()
