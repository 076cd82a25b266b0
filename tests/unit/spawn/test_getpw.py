"""qmail-getpw's rules."""

from __future__ import annotations

import os
import posix
from pathlib import Path

import pytest

from pytools.base.accounts import Account
from pytools.base.exits import Exit
from qmail.commands import qmail_getpw
from qmail.commands.qmail_getpw import alias, main, owner, splits
from qmail.control.users import User


def account(name: bytes, uid: int, home: bytes) -> Account:
    return Account(name, uid, uid + 1, home, b"/bin/sh")


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[bytes, Account]:
    """Some accounts; whoever owns the test's directory is at home there."""
    if tmp_path.stat().st_uid == 0:
        os.chown(tmp_path, 1, 1)
    uid = tmp_path.stat().st_uid
    home = bytes(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    os.chown(tmp_path / "file", uid, -1)
    accounts = {
        b"joe": account(b"joe", uid, home),
        b"joe-two": account(b"joe-two", uid, home),
        b"root": account(b"root", 0, b"/"),
        b"Upper": account(b"Upper", uid, home),
        b"linked": account(b"linked", uid, home + b"/link"),
        b"filed": account(b"filed", uid, home + b"/file"),
        b"homeless": account(b"homeless", uid, b""),
        b"with.dot": account(b"with.dot", uid, home),
        b"-odd": account(b"-odd", uid, home),
        b"away": account(b"away", uid, home + b"/gone"),
        b"tenant": account(b"tenant", uid + 7, home),
        b"x" * 31: account(b"x" * 31, uid, home),
        b"y" * 32: account(b"y" * 32, uid, home),
        b"alias": account(b"alias", 7790, b"/var/qmail/alias"),
    }
    monkeypatch.setattr(qmail_getpw, "by_name", accounts.get)
    return accounts


def test_splits_longest_name_first() -> None:
    assert splits(b"Joe-Two-x") == [
        (b"joe-two-x", b"", b""),
        (b"joe-two", b"-", b"x"),
        (b"joe", b"-", b"Two-x"),
    ]


@pytest.mark.parametrize(("local", "names"), [(b"", []), (b"-x", [b"-x"])])
def test_splits_have_no_empty_name(local: bytes, names: list[bytes]) -> None:
    assert [name for name, _, _ in splits(local)] == names


def found(local: bytes) -> tuple[bytes, bytes, bytes] | None:
    user = owner(local)
    return None if user is None else (user.name, user.dash, user.ext)


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        (b"joe", (b"joe", b"", b"")),
        (b"JOE", (b"joe", b"", b"")),
        (b"joe-", (b"joe", b"-", b"")),
        (b"Joe-List-Owner", (b"joe", b"-", b"List-Owner")),
        (b"joe-two-three", (b"joe-two", b"-", b"three")),
        (b"joe.two", None),
        (b"with.dot-a.B", (b"with.dot", b"-", b"a.B")),
        (b"-odd--x", (b"-odd", b"-", b"-x")),
        (b"joe--", (b"joe", b"-", b"-")),
        (b"joe\n-x", None),
        (b"Upper", None),
        (b"linked-x", (b"linked", b"-", b"x")),
        (b"filed", (b"filed", b"", b"")),
        (b"homeless", None),
        (b"root", None),
        (b"root-x", None),
        (b"away", None),
        (b"tenant", None),
        (b"x" * 31, (b"x" * 31, b"", b"")),
        (b"x" * 31 + b"-ext", (b"x" * 31, b"-", b"ext")),
        (b"y" * 32, None),
        (b"y" * 32 + b"-ext", None),
        (b"nobody-here", None),
        (b"", None),
    ],
)
def test_owner_of_address(
    people: dict[bytes, Account],
    local: bytes,
    expected: tuple[bytes, bytes, bytes] | None,
) -> None:
    assert found(local) == expected


def test_alias_takes_the_whole_address(people: dict[bytes, Account]) -> None:
    user = alias(b"Some-Body")
    assert isinstance(user, User)
    assert (user.name, user.dash, user.ext) == (b"alias", b"-", b"Some-Body")
    assert (user.uid, user.gid, user.home) == (7790, 7791, b"/var/qmail/alias")


def test_home_that_does_not_answer_ends_with_115(
    people: dict[bytes, Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(path: bytes) -> None:
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(posix, "stat", stale)
    with pytest.raises(Exit) as end:
        owner(b"joe-list")
    assert end.value.code == 115


def test_main_without_argument_is_100() -> None:
    assert main([b"qmail-getpw"]) == 100


def test_main_without_alias_is_116(people: dict[bytes, Account]) -> None:
    del people[b"alias"]
    assert main([b"qmail-getpw", b"stranger"]) == 116


def test_main_password_trouble_is_118(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: bytes) -> None:
        raise OSError(26, "Text file busy")

    monkeypatch.setattr(qmail_getpw, "by_name", broken)
    assert main([b"qmail-getpw", b"joe"]) == 118


def test_main_prints_six_pieces(
    people: dict[bytes, Account], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main([b"qmail-getpw", b"stranger"]) == 0
    printed = capfdbinary.readouterr().out
    assert printed == b"alias\0007790\0007791\0/var/qmail/alias\0-\0stranger\0"
