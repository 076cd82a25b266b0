"""users/assign and users/cdb."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytools.base.cdb import Broken, database
from qmail.control.users import (
    BadAssign,
    User,
    candidates,
    decode_user,
    encode_user,
    look_up,
    parse_assign,
)

PAGE = b"""\
+:alias:7790:2108:/var/qmail/alias:-::
+joe-:joe:507:100:/home/joe:-::
=joe:joe:507:100:/home/joe:::
.
"""


def test_assign_of_the_page_becomes_its_records() -> None:
    assert parse_assign(PAGE) == [
        (b"!", b"alias\x007790\x002108\0/var/qmail/alias\0-\0"),
        (b"!joe-", b"joe\x00507\x00100\0/home/joe\0-\0"),
        (b"!joe\0", b"joe\x00507\x00100\0/home/joe\0\0"),
        (b"", b"-"),
    ]


@pytest.mark.parametrize(
    ("text", "records"),
    [
        (b".", [(b"", b"")]),
        (b".\nrubbish", [(b"", b"")]),
        (b".anything", [(b"", b"")]),
        (b"=JOE:a:1:2:c:d:e:\n.", [(b"!joe\0", b"a\x001\x002\0c\0d\0e"), (b"", b"")]),
        (b"+A-B:a:1:2:c:d:e:\n.", [(b"!a-b", b"a\x001\x002\0c\0d\0e"), (b"", b"B")]),
        (b"?x:a:1:2:c:d:e:\n.", [(b"!x\0", b"a\x001\x002\0c\0d\0e"), (b"", b"")]),
        (b"=:a:1:2:c:d:e:f:g\n.", [(b"!\0", b"a\x001\x002\0c\0d\0e"), (b"", b"")]),
    ],
    ids=["dot", "after-dot", "dot-line", "case", "wildcard", "no-sign", "more"],
)
def test_assign_accepts(text: bytes, records: list[tuple[bytes, bytes]]) -> None:
    assert parse_assign(text) == records


def test_assign_wildcard_endings_are_kept_once_each_in_order() -> None:
    text = b"".join(b"+%b:a:1:2:c:d:e:\n" % p for p in (b"x-", b"y.", b"z-", b"", b"w"))
    assert parse_assign(text + b".\n")[-1] == (b"", b"-.w")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"", 1),
        (b"=joe:a:1:2:c:d:e:\n", 2),
        (b"=joe:a:1:2:c:d:e:", 1),
        (b"=joe:a:1:2:c:d:e\n.\n", 1),
        (b"=a:a:1:2:c:d:e:\n\n.\n", 2),
        (b"=a:a:1:2:c:d:e:\nnothing\n.\n", 2),
        (b":a:1:2:c:d:e:\n.\n", 1),
        (b"=j\0e:a:1:2:c:d:e:\n.\n", 1),
    ],
    ids=["empty", "no-dot", "cut", "colons", "blank", "word", "no-address", "nul"],
)
def test_assign_bad_format_names_its_line(text: bytes, line: int) -> None:
    with pytest.raises(BadAssign) as bad:
        parse_assign(text)
    assert bad.value.line == line


def test_candidates_exact_then_longest_wildcard_first() -> None:
    assert candidates(b"Joe-List", b"-t") == [
        (b"!joe-list\0", b""),
        (b"!joe-list", b""),
        (b"!joe-", b"List"),
        (b"!", b"Joe-List"),
    ]


def test_candidates_of_nothing_are_exact_and_all() -> None:
    assert candidates(b"", b"-") == [(b"!\0", b""), (b"!", b"")]


@pytest.fixture
def cdb(tmp_path: Path) -> bytes:
    path = tmp_path / "cdb"
    path.write_bytes(database(parse_assign(PAGE)))
    return bytes(path)


@pytest.mark.parametrize(
    ("local", "home", "dash", "ext"),
    [
        (b"joe", b"/home/joe", b"", b""),
        (b"JOE", b"/home/joe", b"", b""),
        (b"joe-Direct", b"/home/joe", b"-", b"Direct"),
        (b"Bill", b"/var/qmail/alias", b"-", b"Bill"),
        (b"", b"/var/qmail/alias", b"-", b""),
    ],
)
def test_look_up_finds_as_the_page_says(
    cdb: bytes, local: bytes, home: bytes, dash: bytes, ext: bytes
) -> None:
    record = look_up(local, cdb)
    assert record is not None
    user = decode_user(record)
    assert (user.home, user.dash, user.ext) == (home, dash, ext)


def test_look_up_first_of_two_assignments_counts(tmp_path: Path) -> None:
    path = tmp_path / "cdb"
    text = b"=joe:one:1:1:/:::\n=joe:two:2:2:/:::\n.\n"
    path.write_bytes(database(parse_assign(text)))
    record = look_up(b"joe", bytes(path))
    assert record is not None
    assert decode_user(record).name == b"one"


def test_look_up_without_match_or_file_is_none(tmp_path: Path) -> None:
    path = tmp_path / "cdb"
    assert look_up(b"joe", bytes(path)) is None
    path.write_bytes(database(parse_assign(b"=joe:one:1:1:/:::\n.\n")))
    assert look_up(b"jo", bytes(path)) is None


@pytest.mark.parametrize("size", [0, 1, 2047, 2048, 2060])
def test_look_up_in_truncated_cdb_is_trouble(cdb: bytes, size: int) -> None:
    with open(cdb, "r+b") as file:
        file.truncate(size)
    with pytest.raises(OSError):
        look_up(b"joe", cdb)


def test_look_up_without_wildcard_record_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "cdb"
    path.write_bytes(database([(b"!joe\0", b"joe\x001\x001\0/\0\0")]))
    with pytest.raises(Broken):
        look_up(b"joe", bytes(path))


def test_user_encoded_is_decoded() -> None:
    record = encode_user(User(b"joe", 507, 100, b"/home/joe", b"-", b"list"))
    assert record == b"joe\x00507\x00100\0/home/joe\0-\0list\0"
    user = decode_user(record)
    assert (user.name, user.uid, user.gid) == (b"joe", 507, 100)
    assert (user.home, user.dash, user.ext) == (b"/home/joe", b"-", b"list")


def test_user_numbers_are_leading_digits() -> None:
    user = decode_user(b"joe\x0012x\0\0/\0\0\0")
    assert (user.uid, user.gid) == (12, 0)


@pytest.mark.parametrize(
    "record",
    [b"", b"a\x001\x001\0/\0-\0unended"],
)
def test_user_record_not_whole_is_value_error(record: bytes) -> None:
    with pytest.raises(ValueError):
        decode_user(record)
