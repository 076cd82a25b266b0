"""The loop's own work: what it keeps, what it imports, what it does without a process."""

from __future__ import annotations

import errno
import os
import posix
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytools.base.exits import Exit, Strerr
from pytools.commands import supervise
from pytools.process import child
from pytools.supervision import machine, supervisor
from pytools.supervision.service import ServiceFiles
from pytools.supervision.supervisor import Supervisor
from tests.support.services import lives, make_service, read_status, send
from tests.support.until import until

STRERR = Strerr(b"supervise")


@pytest.fixture
def guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    """A supervisor of a directory that nobody locks."""
    service = make_service(tmp_path / "s", "exit 0")
    (service / "supervise").mkdir()
    monkeypatch.chdir(service)
    made = Supervisor(ServiceFiles(b"s", STRERR), STRERR, -1)
    made.begin(wanted_up=True)
    return made


def refuse(body: Callable[[], int]) -> int:
    raise BlockingIOError(11, "no process")


def test_begin_writes_a_status_without_a_process(guard: Supervisor) -> None:
    status = read_status(Path())
    assert (status.pid, status.paused, status.want) == (0, 0, b"u")


def test_failed_fork_warns_backs_off_and_starts_when_told(
    guard: Supervisor,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(child, "fork", refuse)
    guard.handle(b"u")
    assert guard.state == (machine.BACKOFF, machine.WANT_UP, False)
    assert guard.due > 0
    text = "supervise: warning: unable to fork for s, trying again in 60 seconds: "
    assert capfd.readouterr().err.startswith(text)
    assert read_status(Path()).pid == 0

    monkeypatch.setattr(child, "fork", lambda body: 4711)
    monkeypatch.setattr(supervisor, "START_PAUSE_SECONDS", 0)
    guard.handle(machine.DUE)
    assert guard.state == (machine.UP, machine.WANT_UP, False)
    assert read_status(Path()).pid == 4711


def test_no_descriptor_for_the_pipe_is_fatal_in_the_originals_words(
    guard: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_pipe(flags: int) -> tuple[int, int]:
        raise OSError(errno.EMFILE, "no descriptor")

    monkeypatch.setattr(posix, "pipe2", refuse_pipe)
    with pytest.raises(Exit) as ended:
        guard.run(wanted_up=True)
    text = b"supervise: fatal: unable to create pipe for s: "
    assert ended.value.code == 111
    assert ended.value.text == text + b"process cannot open more files"
    assert guard.pid == 0


def test_signal_to_a_vanished_process_is_ignored(guard: Supervisor) -> None:
    pid = posix.fork()
    if not pid:
        posix._exit(0)
    posix.waitpid(pid, 0)
    guard.state, guard.pid = (machine.UP, machine.WANT_UP, False), pid
    guard.handle(b"t")
    assert guard.state == (machine.UP, machine.WANT_UP, False)


def test_every_action_of_the_table_is_carried_out_by_something() -> None:
    actions = {
        action
        for row in machine.TABLE.values()
        for _, actions in row.values()
        for action in actions
    }
    assert actions == {*supervisor.SIGNALS, *supervisor.DOING}


def test_status_that_cannot_be_written_is_a_warning(
    guard: Supervisor, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("supervise/status.new").mkdir()
    guard.handle(b"d")
    assert capfd.readouterr().err == (
        "supervise: warning: unable to open s/supervise/status.new: is a directory\n"
    )
    Path("supervise/status.new").rmdir()
    Path("supervise/status").unlink()
    Path("supervise/status").mkdir()
    guard.handle(b"d")
    assert capfd.readouterr().err == (
        "supervise: warning: unable to rename s/supervise/status.new to status: "
        "is a directory\n"
    )


def test_supervise_in_a_fork_imports_nothing(tmp_path: Path) -> None:
    service = make_service(tmp_path / "s", "echo >&3; exec sleep 1000")
    (service / "notification-fd").write_text("3")
    (service / "finish").write_text("#!/bin/sh\necho >finished\n")
    (service / "finish").chmod(0o755)
    (service / "timeout-finish").write_text("60000")

    def body() -> int:
        before = set(sys.modules)
        if supervise.main([b"supervise", bytes(service)]):
            return 1
        return 0 if set(sys.modules) == before else 2

    pid = child.fork(body)

    def is_ready() -> bool:
        try:
            return " ready" in (service / "supervise/last").read_text()
        except OSError:
            return False

    until(is_ready)
    send(service, b"dx")
    assert child.wait_for(pid) == 0
    assert (service / "finished").exists()


def test_failed_fork_of_finish_warns_and_goes_on(
    guard: Supervisor,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(child, "fork", refuse)
    guard.state = (machine.UP, machine.WANT_DOWN, False)
    guard.handle(machine.TO_FINISH)
    assert guard.state == (machine.DOWN, machine.WANT_DOWN, False)
    text = "supervise: warning: unable to fork for s/finish: "
    assert capfd.readouterr().err.startswith(text)
    assert guard.due == 0


def test_failed_fork_after_finish_leaves_no_finish_behind(
    guard: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "fork", refuse)
    guard.state = (machine.UP, machine.WANT_UP, False)
    guard.last.note_start(b"s" * 12, tells=False)
    guard.last.note_end(b"t" * 12, 9)
    guard.handle(machine.TO_FINISH)
    assert guard.state == (machine.BACKOFF, machine.WANT_UP, False)
    assert lives(Path()) == ["start 1", "signal 9"]


def test_failed_fork_leaves_no_pipe_of_the_notice(
    guard: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("notification-fd").write_text("3")
    monkeypatch.setattr(child, "fork", refuse)
    before = sorted(os.listdir("/proc/self/fd"))
    guard.handle(b"u")
    assert guard.state[0] == machine.BACKOFF
    assert guard.notice is None
    assert sorted(os.listdir("/proc/self/fd")) == before
