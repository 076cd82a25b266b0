"""Who gets an address by users/assign: what netqmail 1.06 made of the same lines.

The rows were made with its qmail-newu and qmail-lspawn, the digests are of its
users/cdb.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pytools.base.cdb import database
from qmail.control.users import decode_user, look_up, parse_assign

U = b":joe:2000:2000:/home/joe:"
PAGE = b"+:alias:7790:2108:/var/qmail/alias:-::\n+joe-%b-::\n=joe%b::\n" % (U, U)
NESTED = (
    b"+joe%b-:j:\n+joe-%b-:jd-:\n+joe-x-%b-:jdx-:\n+joe-list%b-:L:\n"
    b"=joe-list%b-:exact:\n=joe-x%b-:ex:\n+%b-:all-:\n" % ((U,) * 7)
)
OTHER_BREAKS = b"+x+%b+::\n+a.%b:pre:\n+z%b-::\n+zz%b-:two:\n" % ((U,) * 4)
CAPITALS = b"+CapX%b-::\n+Cap%b-:c:\n=JOE%b::\n+\xc9-%b-::\n" % ((U,) * 4)
TWICE = b"=joe%b:one:\n=joe%b:two:\n+joe-%b-:one:\n+joe-%b-:two:\n" % ((U,) * 4)
EMPTY = b"=%b:empty:\n=x%b:x:\n" % (U, U)

ROWS = [
    # assignments, local part; dash and ext, or None where qmail-getpw is asked
    (PAGE, b"joe", (b"", b"")),
    (PAGE, b"JOE", (b"", b"")),
    (PAGE, b"joe-", (b"-", b"")),
    (PAGE, b"Joe-X-y", (b"-", b"X-y")),
    (PAGE, b"joe--x", (b"-", b"-x")),
    (PAGE, b"joex", (b"-", b"joex")),
    (PAGE, b"Bill", (b"-", b"Bill")),
    (PAGE, b"joe\n-x", (b"-", b"joe\n-x")),
    (PAGE, b"joe-@", (b"-", b"@")),
    (PAGE, b"a" * 1000, (b"-", b"a" * 1000)),
    (NESTED, b"joe", (b"-", b"j")),
    (NESTED, b"joex", (b"-", b"jx")),
    (NESTED, b"joe-", (b"-", b"jd-")),
    (NESTED, b"joe-Y", (b"-", b"jd-Y")),
    (NESTED, b"joe-x", (b"-", b"ex")),
    (NESTED, b"joe-X-", (b"-", b"jdx-")),
    (NESTED, b"joe-x-Y-z", (b"-", b"jdx-Y-z")),
    (NESTED, b"joe-xy", (b"-", b"jd-xy")),
    (NESTED, b"joe-list", (b"-", b"exact")),
    (NESTED, b"joe-list-", (b"-", b"L-")),
    (NESTED, b"joe-lists", (b"-", b"Ls")),
    (NESTED, b"joe-lisT-a", (b"-", b"L-a")),
    (NESTED, b"joe-listT", (b"-", b"LT")),
    (NESTED, b"jo", (b"-", b"all-jo")),
    (OTHER_BREAKS, b"x+Y", (b"+", b"Y")),
    (OTHER_BREAKS, b"x+", (b"+", b"")),
    (OTHER_BREAKS, b"x", None),
    (OTHER_BREAKS, b"A.b.C", (b"", b"preb.C")),
    (OTHER_BREAKS, b"zZz", (b"-", b"twoz")),
    (OTHER_BREAKS, b"za", (b"-", b"a")),
    (CAPITALS, b"joe", (b"", b"")),
    (CAPITALS, b"CAPS", (b"-", b"cS")),
    (CAPITALS, b"capX", (b"-", b"cX")),
    (CAPITALS, b"\xc9-x", (b"-", b"x")),
    (CAPITALS, b"\xe9-x", None),
    (TWICE, b"joe", (b"", b"one")),
    (TWICE, b"joe-x", (b"-", b"onex")),
    (EMPTY, b"x", (b"", b"x")),
    (EMPTY, b"y", None),
    (b"", b"joe", None),
]


@pytest.mark.parametrize(
    ("lines", "local", "expected"),
    ROWS,
    ids=[f"{n}-{row[1][:20]!r}" for n, row in enumerate(ROWS)],
)
def test_address_is_assigned(
    tmp_path: Path, lines: bytes, local: bytes, expected: tuple[bytes, bytes] | None
) -> None:
    path = tmp_path / "cdb"
    path.write_bytes(database(parse_assign(lines + b".\n")))
    record = look_up(local, bytes(path))
    if record is None:
        assert expected is None
    else:
        user = decode_user(record)
        assert (user.dash, user.ext) == expected


BYTES = b"".join(b"+%c:a:1:2:c:d:e:\n" % c for c in range(1, 256) if c not in b"\n:")
DATABASES = [
    (b"", "afe44b125cc89abbdb701a3fe4f061bba8403ee77b734a1e76170bfcc8b67325"),
    (PAGE, "7156f2eac7b98ec9e585d4ef4a0d332e0ca209c8783e4a54a2ecf9a7f4cda54a"),
    (NESTED, "d8ebee6ff55578d3a29849300683c2c4720be3c3022e46b60e4f30e8a85db987"),
    (CAPITALS, "42a2c8c1badbe479a65ba6a2fbaa6523d92cba06b4b8677b25c505ceef8fa20d"),
    (TWICE, "29c76db35d0671bb10890935a1466bdf6ad15751c7602fb0bb84d2819d8cb6c7"),
    (BYTES, "91892f37ac899c4ed3b5d99109d58a4409d06e0a0599c60bb1deae936f382083"),
]


@pytest.mark.parametrize(("lines", "digest"), DATABASES)
def test_database_has_the_originals_bytes(lines: bytes, digest: str) -> None:
    made = database(parse_assign(lines + b"."))
    assert hashlib.sha256(made).hexdigest() == digest
