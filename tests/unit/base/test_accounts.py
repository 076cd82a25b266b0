"""Accounts by name: one that is missing, and a database that is."""

from __future__ import annotations

import errno
import os
import pwd
import resource

import pytest

from pytools.base import accounts
from pytools.base.accounts import by_name

MISSING = b"no-such-user-here"


def test_account_that_is_there_is_found() -> None:
    root = by_name(b"root")
    assert root is not None
    assert (root.uid, root.name) == (0, b"root")


def test_account_that_is_missing_is_none() -> None:
    assert by_name(MISSING) is None


@pytest.mark.parametrize(
    "code", [errno.ENFILE, errno.EMFILE, errno.EIO, errno.ENOMEM, errno.ETIMEDOUT]
)
def test_account_of_a_database_in_trouble_is_an_error(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "_why_missing", lambda name: code)
    with pytest.raises(OSError, match="password database") as trouble:
        by_name(MISSING)
    assert trouble.value.errno == code


def test_account_that_the_c_library_cannot_look_for_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Library:
        def getpwnam_r(self, *arguments: object) -> int:
            return errno.ETIMEDOUT

    monkeypatch.setattr("ctypes.CDLL", lambda name: Library())
    with pytest.raises(TimeoutError):
        by_name(MISSING)


@pytest.mark.parametrize("code", [0, errno.ENOENT, errno.ESRCH, errno.EPERM])
def test_account_that_the_database_denies_is_none(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "_why_missing", lambda name: code)
    assert by_name(MISSING) is None


def test_account_found_at_the_second_look_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(pwd, "getpwnam", fails)
    with pytest.raises(BlockingIOError):
        by_name(b"root")


@pytest.mark.parametrize("name", [b"daemon", MISSING])
def test_account_without_a_descriptor_for_the_database_is_an_error(
    name: bytes,
) -> None:
    assert by_name(MISSING) is None  # it has loaded what it needs
    pid = os.fork()
    if not pid:
        code = 99
        try:
            lowest = os.dup(0)
            os.close(lowest)
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
            by_name(name)
        except OSError as error:
            code = 1 if error.errno == errno.EMFILE else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
