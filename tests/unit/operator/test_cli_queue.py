"""pyqmail queue check: the directories, the lock files, the locks, the exit codes."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from qmail.operator import cli, cli_queue, hier, ownership
from qmail.operator.places import Owners, Places

NOTHING_WRONG = "The queue is as it should be; messages: 0\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trial instance's home with an empty queue."""
    monkeypatch.setattr(cli_queue, "PAUSE_SECONDS", 0)
    home = tmp_path / "var/qmail"
    for entry in (*hier.directories(), *hier.queue_files()):
        ownership.make(str(home), entry, Owners(trial=True))
    (home / "trial").write_text(f"{os.getuid()} {os.getgid()}\n")
    assert Places.of_home(str(home)).is_trial
    return home


def check(home: Path, *words: str) -> int:
    return cli.main(["queue", "check", *words], str(home))


def test_empty_queue_is_well(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(home) == 0
    assert capsys.readouterr().out == NOTHING_WRONG


def test_directories_and_lock_files_are_checked_and_made(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = home / "queue"
    (queue / "local/7").rmdir()
    (queue / "lock/trigger").unlink()
    (queue / "lock/trigger").write_bytes(b"")
    (queue / "lock/tcpto").write_bytes(b"x")
    (queue / "todo").chmod(0o777)
    assert check(home) == 1
    assert capsys.readouterr().out.splitlines() == [
        "todo has wrong permissions",
        "local/7 does not exist",
        "lock/tcpto has wrong size",
        "lock/trigger has wrong permissions",
        "lock/trigger has wrong type",
    ]
    assert check(home, "--repair") == 1
    out = capsys.readouterr().out
    assert f"left: {queue}/lock/trigger exists and is no FIFO\n" in out
    for line in (
        "local/7 does not exist",
        "todo has wrong permissions",
        "lock/tcpto has wrong size",
    ):
        assert f"mended: {line}\n" in out
    assert out.endswith(
        "lock/trigger has wrong permissions\nlock/trigger has wrong type\n"
    )
    assert (queue / "lock/tcpto").stat().st_size == 1024
    (queue / "lock/trigger").unlink()
    assert check(home, "--repair") == 0
    assert capsys.readouterr().out.endswith(f"does not exist\n{NOTHING_WRONG}")


def test_notes_are_no_fault(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "queue/pid/new"
    path.write_bytes(b"")
    n = path.stat().st_ino
    path.rename(home / f"queue/mess/{n % 23}/{n}")
    (home / f"queue/mess/{n % 23}/{n}").chmod(0o644)
    assert check(home) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"note: mess/{n % 23}/{n}: is being written, or ")


def test_what_a_terminal_would_obey_is_not_printed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "queue/todo/\x1b[2J").write_bytes(b"")
    assert check(home) == 1
    assert "todo/?[2J: is no file of any message" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lock", "name"),
    [("queue/lock/sendmutex", "qmail-send"), ("run/queued.lock", "qmail-queued")],
)
def test_repair_needs_both_locks(
    home: Path, lock: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "queue/todo/5").write_bytes(b"")
    (home / "queue/local/7").rmdir()
    with open(home / lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert check(home, "--repair") == 111
        out, said = capsys.readouterr()
        assert out == ""
        assert said.startswith(f"pyqmail: fatal: {name} is running\n...try: svc -d ")
    assert (home / "queue/todo/5").exists()
    assert not (home / "queue/local/7").exists()
    assert check(home, "--repair") == 0
    assert (home / "queue/lost/todo-5").exists()


def test_queue_without_its_directory_is_111(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "queue").rename(home / "away")
    assert check(home) == 111
    assert "unable to do it: " in capsys.readouterr().err


def test_repair_keeps_out_a_qmail_queued_that_has_never_run(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def looking(*_: object) -> list[tuple[str, str]]:
        with open(home / "run/queued.lock", "w") as lock:
            with pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            tried.append(os.fstat(lock.fileno()).st_mode & 0o777)
        return []

    monkeypatch.setattr(cli_queue, "repair", looking)
    assert check(home, "--repair") == 0
    assert tried == [0o600]


def test_what_was_mended_before_a_failure_is_said(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "queue/lock/sendmutex").unlink()
    (home / "run").rmdir()
    (home / "run").symlink_to("nowhere")
    assert check(home, "--repair") == 111
    out, err = capsys.readouterr()
    assert out == "mended: lock/sendmutex does not exist\n"
    assert err.startswith("pyqmail: fatal: ")


def test_wrong_directory_is_left_and_the_rest_mended(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = home / "queue"
    (queue / "bounce").rmdir()
    (queue / "bounce").symlink_to("/nowhere")
    (queue / "local/7").rmdir()
    assert check(home, "--repair") == 1
    out = capsys.readouterr().out
    assert f"left: unable to open {queue}/bounce: " in out
    assert "mended: local/7 does not exist\n" in out
    assert "left: bounce is no directory: no message is moved\n" in out


def test_what_stays_is_not_called_mended(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "queue/mess/5/\x1bx").mkdir()
    assert check(home, "--repair") == 1
    out = capsys.readouterr().out
    assert "left: mess/5/?x stays: it cannot be moved\n" in out
    assert "mended" not in out
