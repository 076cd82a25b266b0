"""Limits of time around a delivery, and the way back home."""

from __future__ import annotations

import errno
import fcntl
import os
import posix
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytools.base.exits import Exit
from qmail.commands import qmail_local
from qmail.local import delivery
from qmail.local.delivery import Delivery
from tests.support.until import until

VARIABLES = {
    b"RPLINE": b"Return-Path: <>\n",
    b"DTLINE": b"Delivered-To: a@b\n",
    b"UFLINE": b"From x\n",
    b"NEWSENDER": b"",
}


def no_program(command: bytes) -> int:
    raise AssertionError("no program was asked for")


def in_child(
    home: Path,
    message: Path,
    instructions: list[tuple[bytes, bytes]],
    run_program: Callable[[bytes], int] = no_program,
    *,
    largest: int | None = None,
) -> int:
    """Run the instructions in a child in ``home``; 0, or the exit code.

    With ``largest``, a file may have so many bytes, and whoever writes more is killed.
    """
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    status = 99
    try:
        os.chdir(home)
        os.dup2(os.open(message, os.O_RDONLY), 0)
        os.dup2(os.open(home / "out", os.O_WRONLY | os.O_CREAT), 1)
        if largest is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
        Delivery(VARIABLES, run_program, False).run(instructions)  # type: ignore[arg-type]  # kinds are literals
        status = 0
    except Exit as end:
        (home / "text").write_bytes(end.text)
        status = end.code
    finally:
        os._exit(status)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "message").write_bytes(b"S: x\n\nbody\n")
    return tmp_path / "home"


def test_locked_mailbox_is_temporary_after_its_time(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_LOCK_SECONDS", 1)
    (home / "box").write_bytes(b"old\n")
    with open(home / "box", "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert in_child(home, home.parent / "message", [(b"mbox", b"./box")]) == 111
    assert b"(#4.3.0)" in (home / "text").read_bytes()
    assert (home / "box").read_bytes() == b"old\n"


def test_maildir_delivery_that_takes_too_long_leaves_no_tmp(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tmp", "new"):
        (home / "M" / name).mkdir(parents=True)
    monkeypatch.setattr(delivery, "_MAILDIR_SECONDS", 1)
    monkeypatch.setattr("qmail.local.message.blocks", endless)
    assert in_child(home, home.parent / "message", [(b"maildir", b"./M/")]) == 111
    assert b"too long" in (home / "text").read_bytes()
    assert list((home / "M/tmp").iterdir()) == []
    assert list((home / "M/new").iterdir()) == []


def endless() -> Iterator[bytes]:
    """The beginning of a message, and never its end."""
    yield b"S: x\n"
    until(lambda: False, seconds=30)


def test_instruction_after_a_maildir_is_back_in_the_home(home: Path) -> None:
    for name in ("tmp", "new"):
        (home / "M" / name).mkdir(parents=True)
    lines = [(b"maildir", b"./M/"), (b"mbox", b"./box")]
    assert in_child(home, home.parent / "message", lines) == 0
    assert (home / "box").read_bytes().endswith(b"S: x\n\nbody\n\n")
    assert (home / "out").read_bytes() == b"did 2+0+0\n"


def broken(fd: int) -> None:
    raise OSError(errno.EIO, "broken")


def test_mailbox_whose_close_fails_after_its_fsync_is_a_success(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = posix.close

    def close_all_but_the_mailbox(fd: int) -> None:
        if os.readlink(f"/proc/self/fd/{fd}") == str(home / "box"):
            broken(fd)
        close(fd)

    monkeypatch.setattr("posix.close", close_all_but_the_mailbox)
    assert in_child(home, home.parent / "message", [(b"mbox", b"./box")]) == 0
    assert (home / "box").read_bytes().endswith(b"S: x\n\nbody\n\n")
    assert (home / "out").read_bytes() == b"did 1+0+0\n"


def test_maildir_without_a_descriptor_for_the_home_is_a_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tmp", "new"):
        (home / "M" / name).mkdir(parents=True)
    really = posix.open

    def open_(path: bytes, flags: int, mode: int = 0o777) -> int:
        if path == b".":
            raise OSError(errno.EMFILE, "too many")
        return really(path, flags, mode)

    monkeypatch.setattr("posix.open", open_)
    assert in_child(home, home.parent / "message", [(b"maildir", b"./M/")]) == 111
    text = b"Temporary trouble with delivery to the Maildir. (#4.3.0)"
    assert (home / "text").read_bytes() == text
    assert list((home / "M").glob("*/*")) == []


def test_maildir_whose_home_fails_to_close_is_a_success(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tmp", "new"):
        (home / "M" / name).mkdir(parents=True)
    close = posix.close

    def close_all_but_the_home(fd: int) -> None:
        if os.readlink(f"/proc/self/fd/{fd}") == str(home):
            broken(fd)
        close(fd)

    monkeypatch.setattr("posix.close", close_all_but_the_home)
    assert in_child(home, home.parent / "message", [(b"maildir", b"./M/")]) == 0
    assert len(list((home / "M/new").iterdir())) == 1


def test_mailbox_that_cannot_be_looked_at_is_a_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posix.fstat", broken)
    assert in_child(home, home.parent / "message", [(b"mbox", b"./box")]) == 111
    text = b"Unable to look at ./box: input/output error. (#4.3.0)"
    assert (home / "text").read_bytes() == text
    assert (home / "box").read_bytes() == b""


@pytest.mark.parametrize(
    ("rest", "status"),
    [([], 0), ([(b"mbox", b"./box")], 111), ([(b"program", b"exit 0")], 111)],
    ids=["last", "mbox", "program"],
)
def test_maildir_without_a_way_back_defers_only_for_what_follows(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    rest: list[tuple[bytes, bytes]],
    status: int,
) -> None:
    for name in ("tmp", "new"):
        (home / "M" / name).mkdir(parents=True)
    monkeypatch.setattr("posix.fchdir", broken)
    lines = [(b"maildir", b"./M/"), *rest]
    assert in_child(home, home.parent / "message", lines) == status
    assert len(list((home / "M/new").iterdir())) == 1
    assert list((home / "M").rglob("box")) == []


def test_mailbox_over_the_limit_of_file_sizes_is_cut_back(home: Path) -> None:
    (home / "box").write_bytes(b"old\n" * 20)
    lines = [(b"mbox", b"./box")]
    assert in_child(home, home.parent / "message", lines, largest=100) == 111
    text = b"Unable to write ./box: file too big. (#4.3.0)"
    assert (home / "text").read_bytes() == text
    assert (home / "box").read_bytes() == b"old\n" * 20


def test_maildir_over_the_limit_of_file_sizes_is_left_empty(home: Path) -> None:
    for name in ("tmp", "new"):
        (home / "M" / name).mkdir(parents=True)
    (home.parent / "message").write_bytes(b"body\n" * 15)
    lines = [(b"maildir", b"./M/")]
    assert in_child(home, home.parent / "message", lines, largest=100) == 111
    assert list((home / "M").glob("*/*")) == []


def test_program_after_a_mailbox_has_the_signals_it_had(home: Path) -> None:
    def look(command: bytes) -> int:
        assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_DFL
        return 0

    (home.parent / "message").write_bytes(b"\n")
    lines = [(b"mbox", b"./box"), (b"program", b"x")]
    assert in_child(home, home.parent / "message", lines, look, largest=100) == 0


def test_program_whose_status_is_lost_is_temporary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lost(pid: int) -> int:
        os.waitpid(pid, 0)
        raise ChildProcessError

    monkeypatch.setattr("pytools.process.child.wait_for", lost)
    with pytest.raises(Exit, match=r"program.*#4\.3\.0") as end:
        qmail_local._run_program(b"exit 0")
    assert end.value.code == 111
