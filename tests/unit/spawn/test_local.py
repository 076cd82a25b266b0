"""The child of qmail-lspawn: what it becomes, without becoming it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pytools.base import runtime
from pytools.base.exits import Exit, Next
from pytools.process import child
from qmail.control.ids import Ids
from qmail.spawn import exitcodes, local, remote
from qmail.spawn.records import Command

IDS = Ids([12345] * 10)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runtime, "home", bytes(tmp_path))
    monkeypatch.chdir("/")
    return tmp_path


def status_of(command: Command) -> int:
    """The exit status of the delivery in a child."""

    def body() -> int:
        try:
            return local.deliver(command, 0, 1, b"./Mailbox", IDS)
        except Next:
            return 99

    return child.wait_for(child.fork(body)) >> 8


def test_deliver_without_home_is_usage(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "home", bytes(home / "gone"))
    assert status_of(Command(0, b"1", b"", b"a@b")) == exitcodes.USAGE


def test_deliver_trash_address_is_success_without_home(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "home", bytes(home / "gone"))
    assert status_of(Command(0, b"1", b"", b"@b")) == 0


def test_deliver_cdb_that_cannot_be_opened_is_cdb_trouble(home: Path) -> None:
    (home / "users").mkdir()
    (home / "users/cdb").symlink_to("cdb")
    assert status_of(Command(0, b"1", b"", b"a@b")) == exitcodes.CDB


def test_find_user_out_of_memory_has_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(address: bytes) -> bytes:
        raise MemoryError

    monkeypatch.setattr(local, "look_up", exhausted)
    with pytest.raises(Exit) as end:
        local.find_user(b"joe", IDS)
    assert end.value.code == exitcodes.MEMORY


def test_become_root_is_refused_before_anything_changes() -> None:
    with pytest.raises(Exit) as end:
        local.become(0, os.getgid() + 1)
    assert end.value.code == exitcodes.ROOT


@pytest.mark.parametrize(
    ("number", "local_code", "remote_code"),
    [
        (errno.ENOENT, exitcodes.EXEC_HARD, 100),
        (errno.EACCES, exitcodes.EXEC_HARD, 100),
        (errno.E2BIG, exitcodes.EXEC_HARD, 100),
        (errno.ENOMEM, exitcodes.EXEC_SOFT, 111),
        (errno.EIO, exitcodes.EXEC_SOFT, 111),
        (errno.EMFILE, exitcodes.EXEC_SOFT, 111),
        (errno.ESTALE, exitcodes.EXEC_SOFT, 111),
    ],
)
def test_exec_trouble_is_soft_only_when_it_may_pass(
    number: int, local_code: int, remote_code: int
) -> None:
    error = OSError(number, "")
    assert local._cannot_run(error).code == local_code
    assert remote._cannot_run(error).code == remote_code
