"""Which trouble with a .qmail file is a missing file, and which puts the delivery off."""

from __future__ import annotations

import errno
import posix

import pytest

from pytools.base.exits import Exit
from qmail.local.home import find_control, find_owner

MISSING = ["ENOENT", "ENOTDIR", "ENAMETOOLONG", "ELOOP", "ENXIO", "ENODEV", "EROFS"]
REFUSED = ["EACCES", "EPERM"]
PASSING = ["EIO", "ENOMEM", "ENFILE", "EMFILE", "ESTALE", "ETIMEDOUT", "EINTR"]


def failing(name: str) -> object:
    """A system call that fails so, always."""

    def fail(*args: object) -> None:
        raise OSError(getattr(errno, name), name)

    return fail


@pytest.mark.parametrize("name", MISSING)
def test_qmail_that_cannot_be_there_is_missing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posix, "open", failing(name))
    assert find_control(b"-", b"x") is None


@pytest.mark.parametrize("name", REFUSED + PASSING)
def test_qmail_that_may_be_there_puts_the_delivery_off(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posix, "open", failing(name))
    with pytest.raises(Exit, match=r"Unable to open \.qmail-x: .*#4\.3\.0") as end:
        find_control(b"-", b"x")
    assert end.value.code == 111


@pytest.mark.parametrize("name", MISSING + REFUSED)
def test_owner_file_out_of_reach_is_missing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posix, "stat", failing(name))
    assert find_owner(b"-", b"x") == (False, False)


@pytest.mark.parametrize("name", PASSING)
def test_owner_file_that_may_be_there_puts_the_delivery_off(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posix, "stat", failing(name))
    with pytest.raises(Exit, match=r"#4\.3\.0") as end:
        find_owner(b"-", b"x")
    assert end.value.code == 111
