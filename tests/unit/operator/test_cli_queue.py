"""pyqmail queue check: the directories, the lock files, the locks, the exit codes."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from qmail.operator import cli, cli_queue, hier, ownership, running
from qmail.operator.places import Owners, Places
from tests.support.until import until_executed

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
        "local/7 did not exist",
        "todo had wrong permissions",
        "lock/tcpto had wrong size",
    ):
        assert f"mended: {line}\n" in out
    assert out.endswith(
        "lock/trigger has wrong permissions\nlock/trigger has wrong type\n"
    )
    assert (queue / "lock/tcpto").stat().st_size == 1024
    (queue / "lock/trigger").unlink()
    assert check(home, "--repair") == 0
    assert capsys.readouterr().out.endswith(f"did not exist\n{NOTHING_WRONG}")


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
        assert said.startswith(
            f"pyqmail: fatal: {name} is running\n...try: svc -d -w D "
        )
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
    assert out == "mended: lock/sendmutex did not exist\n"
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
    assert "mended: local/7 did not exist\n" in out
    assert "left: bounce is no directory: no message is moved\n" in out


def test_what_stays_is_not_called_mended(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "queue/mess/5/\x1bx").mkdir()
    assert check(home, "--repair") == 1
    out = capsys.readouterr().out
    assert "left: mess/5/?x stays: it cannot be moved\n" in out
    assert "mended" not in out


@pytest.mark.parametrize("name", ["qmail-send", "qmail-queued"])
def test_repair_waits_for_a_server_that_works_in_a_queue_moved_away(
    home: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lock of the copy is free: the server that ends slowly holds the old one."""
    (home / "queue").rename(home / "queue.old")
    for entry in (*hier.directories(), *hier.queue_files()):
        ownership.make(str(home), entry, Owners(trial=True))
    (home / "queue/todo/5").write_bytes(b"")
    with subprocess.Popen(
        [name], executable="/bin/cat", stdin=subprocess.PIPE, cwd=home / "queue.old"
    ) as process:
        try:
            until_executed(process.pid)
            assert check(home, "--repair") == 111
            out, said = capsys.readouterr()
        finally:
            process.kill()
    assert out == ""
    service = Places.of_home(str(home)).service + "/" + name
    if name == "qmail-queued":
        assert said.startswith("pyqmail: fatal: qmail-queued is running\n")
    else:
        assert said == (
            "pyqmail: fatal: qmail-send is running\n"
            f"...try: svc -d -w D -T 300 {service}\n"
        )
    assert (home / "queue/todo/5").exists()
    assert check(home, "--repair") == 0


def test_server_in_a_queue_on_another_disk_is_of_this_home(
    home: Path, tmp_path: Path
) -> None:
    (home / "queue").rename(tmp_path / "disk")
    (home / "queue").symlink_to(tmp_path / "disk")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for directory, status in ((elsewhere, 0), (tmp_path / "disk", 111)):
        with subprocess.Popen(
            ["qmail-send"], executable="/bin/cat", stdin=subprocess.PIPE, cwd=directory
        ) as process:
            try:
                until_executed(process.pid)
                assert check(home, "--repair") == status
            finally:
                process.kill()


def a_link(path: Path) -> None:
    path.symlink_to("/nowhere")


@pytest.mark.parametrize("make", [a_link, os.mkfifo, os.mkdir])
@pytest.mark.parametrize("lock", ["queue/lock/sendmutex", "run/queued.lock"])
def test_lock_that_is_no_file_is_said_to_be_none(
    home: Path,
    make: Callable[[Path], None],
    lock: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (home / lock).unlink(missing_ok=True)
    make(home / lock)
    assert check(home, "--repair") == 111
    assert capsys.readouterr().err.startswith(
        f"pyqmail: fatal: unable to lock {home}/{lock}: it is no file\n"
        f"...try: ls -l {home}/{lock}; rm "
    )


@pytest.mark.parametrize("name", ["lost", "renumber"])
def test_link_in_the_place_of_lost_or_renumber_hinders_nothing_else(
    home: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = home / "queue"
    (queue / name).symlink_to("/nowhere")
    (queue / "todo/5").write_bytes(b"")
    path = queue / "pid/new"
    path.write_bytes(b"")
    n = path.stat().st_ino
    path.rename(queue / f"mess/{n % 23}/{n}")
    (queue / f"mess/{n % 23}/{n}").chmod(0o600)
    assert check(home) == 1
    out = capsys.readouterr().out
    assert f"{name}: is no directory, and a repair needs one of that name\n" in out
    assert "a renumbering was interrupted" not in out
    assert check(home, "--repair") == 1
    out = capsys.readouterr().out
    assert f"left: {name} is no directory: no message is moved\n" in out
    assert f"mended: mess/{n % 23}/{n} has its owner and mode\n" in out
    assert (queue / "todo/5").exists()
    (queue / name).unlink()
    assert check(home, "--repair") == 0
    assert (queue / "lost/todo-5").exists()


def test_what_others_change_meanwhile_is_not_called_mended(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A repair that refuses has mended nothing, whatever is different now."""
    tcpto = home / "queue/lock/tcpto"
    tcpto.rename(home / "tcpto")

    def swapping(home: str) -> list[str]:
        (Path(home) / "tcpto").rename(tcpto)
        return ["qmail-send"]

    monkeypatch.setattr(running, "writers", swapping)
    assert check(home, "--repair") == 111
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pyqmail: fatal: qmail-send is running\n")


def test_repair_refuses_where_it_cannot_be_seen_who_is_at_work(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without /proc nobody is seen, be he there or not."""
    monkeypatch.setattr(running, "is_told", lambda: False)
    stray = home / "queue/todo/x"
    stray.touch()
    assert check(home, "--repair") == 111
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "pyqmail: fatal: /proc is not mounted, so it cannot be seen whether qmail-send "
        "runs\n...try: mount -t proc proc /proc\n"
    )
    assert stray.exists()
    assert check(home) == 1


def test_proc_is_told_by_what_it_says_of_this_process(tmp_path: Path) -> None:
    assert running.is_told()
    assert not running.is_told(str(tmp_path))
    assert not running.is_told(str(tmp_path / "missing"))
