"""qmail-clean, the sweep, the scan of todo, the log and the controls."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from qmail.queue import layout
from qmail.send import controls as control_files
from qmail.send.sweep import Sweep
from qmail.send.todo import BATCH, Todo
from tests.support.crashfs import CrashFs
from tests.support.send_rig import enqueue, make_queue, pull
from tests.unit.send.rigging import NOW, MemoryRig, available, put

FOREVER = NOW + 86400
OLD = NOW - 129601


def test_cleaner_gives_each_answer_to_its_command(rig: MemoryRig) -> None:
    heard: list[tuple[str, bool]] = []
    rig.cleaner.request(b"todo/1", lambda done: heard.append(("one", done)))
    rig.cleaner.request(b"foop/2")
    rig.cleaner.request(b"todo/3", lambda done: heard.append(("three", done)))
    rig.cleaner.flush()
    assert available(rig.clean_read) == b"todo/1\0foop/2\0todo/3\0"
    os.write(rig.clean_write, b"+!")
    rig.cleaner.receive()
    assert heard == [("one", True)]
    assert not rig.cleaner.is_idle()
    os.write(rig.clean_write, b"x")
    rig.cleaner.receive()
    assert heard == [("one", True), ("three", False)]
    assert rig.cleaner.is_idle()
    assert rig.lines() == [
        "warning: qmail-clean unable to clean up foop/2",
        "warning: qmail-clean unable to clean up todo/3",
    ]


def test_cleaner_lost_is_an_alert_and_the_end(rig: MemoryRig) -> None:
    rig.cleaner.request(b"foop/2")
    os.close(rig.clean_write)
    rig._fds.remove(rig.clean_write)
    rig.cleaner.receive()
    assert not rig.cleaner.alive
    assert rig.scheduler.is_stopping()
    assert rig.lines() == ["alert: oh no! lost qmail-clean connection! dying..."]


def test_sweep_asks_only_for_old_messages_nobody_queued(
    fs: CrashFs, rig: MemoryRig
) -> None:
    fs.now = float(OLD)
    for qnum in (23, 46, 69, 24):
        put(fs, layout.mess(qnum), b"")
    put(fs, layout.info(46), b"")
    put(fs, layout.todo(69), b"")
    fs.now = float(NOW - 100)
    put(fs, layout.mess(92), b"")
    sweep = Sweep(NOW, rig.log, fs)
    for _ in range(layout.SPLIT):
        assert sweep.wakeup() <= NOW
        sweep.run(NOW, rig.cleaner)
    assert sorted(rig.clean()) == [b"foop/23", b"foop/24"]
    assert sweep.wakeup() == NOW + 76431
    assert fs.content(layout.mess(92)) is not None


def test_sweep_goes_by_the_latest_of_the_three_times(
    home: Path, disk_rig: MemoryRig
) -> None:
    litter = home / "queue" / os.fsdecode(layout.mess(23))
    litter.touch()
    # As on a mount without atime: only ctime says that it is new.
    os.utime(litter, (0, 0))
    made = int(litter.stat().st_ctime)
    for now, commands in ((made + 129600, b""), (made + 129601, b"foop/23\0")):
        sweep = Sweep(now, disk_rig.log)
        for _ in range(layout.SPLIT):
            sweep.run(now, disk_rig.cleaner)
        disk_rig.cleaner.flush()
        assert available(disk_rig.clean_read) == commands


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A queue on the disk, and the process in it."""
    make_queue(tmp_path)
    monkeypatch.chdir(tmp_path / "queue")
    return tmp_path


def preprocess(rig: MemoryRig, todo: Todo, now: int, pulled: bool) -> list[int]:
    """One turn, with qmail-clean; what has become S5."""
    todo.run(now, pulled, rig.preprocessor, rig.cleaner)
    rig.cleaner.flush()
    for command in available(rig.clean_read).split(b"\0")[:-1]:
        os.unlink(command)
        os.write(rig.clean_write, b"+")
        rig.cleaner.receive()
    return [message.qnum for message in todo.take_ready()]


@pytest.fixture
def disk_rig(home: Path) -> Iterator[MemoryRig]:
    """The parts, on the real file system."""
    import posix

    rig = MemoryRig(posix)  # type: ignore[arg-type]  # no look into it here
    yield rig
    rig.close()


def test_todo_scans_at_start_at_trigger_and_in_time(
    home: Path, disk_rig: MemoryRig
) -> None:
    first = enqueue(home, b"s", [b"r@x"])
    todo = Todo(NOW, disk_rig.log)
    assert preprocess(disk_rig, todo, NOW, pulled=False) == [first]
    second = enqueue(home, b"s", [b"r@x"])
    assert preprocess(disk_rig, todo, NOW + 5, pulled=False) == []
    assert todo.wakeup(FOREVER) == NOW + 1500
    assert preprocess(disk_rig, todo, NOW + 5, pulled=True) == [second]
    third = enqueue(home, b"s", [b"r@x"])
    assert preprocess(disk_rig, todo, NOW + 5 + 1500, pulled=False) == [third]
    os.close(todo.trigger_fd)


def test_todo_comes_in_batches_without_waiting(home: Path, disk_rig: MemoryRig) -> None:
    qnums = {enqueue(home, b"s", [b"r@x"]) for _ in range(BATCH + 3)}
    (home / "queue/todo/not-a-number").touch()
    todo = Todo(NOW, disk_rig.log)
    first = preprocess(disk_rig, todo, NOW, pulled=False)
    assert len(first) == BATCH
    assert todo.wakeup(FOREVER) == 0
    assert not todo.wants_trigger()
    second = preprocess(disk_rig, todo, NOW, pulled=False)
    assert {*first, *second} == qnums
    assert todo.wants_trigger()
    os.close(todo.trigger_fd)


def test_todo_trigger_during_a_scan_is_not_lost(
    home: Path, disk_rig: MemoryRig
) -> None:
    import select

    todo = Todo(NOW, disk_rig.log)
    preprocess(disk_rig, todo, NOW, pulled=False)
    assert select.select([todo.trigger_fd], [], [], 0)[0] == []
    pull(home)
    assert select.select([todo.trigger_fd], [], [], 0)[0] == [todo.trigger_fd]
    preprocess(disk_rig, todo, NOW, pulled=True)
    assert select.select([todo.trigger_fd], [], [], 0)[0] == []
    os.close(todo.trigger_fd)


def test_todo_with_unknown_record_warns_and_stays(
    home: Path, disk_rig: MemoryRig
) -> None:
    qnum = enqueue(home, b"s", [b"r@x"])
    todo_file = home / "queue" / os.fsdecode(layout.todo(qnum))
    todo_file.write_bytes(b"u1\0p2\0Fs\0Xodd\0")
    todo = Todo(NOW, disk_rig.log)
    assert preprocess(disk_rig, todo, NOW, pulled=False) == []
    assert disk_rig.lines() == [
        f"new msg {qnum}",
        f"info msg {qnum}: bytes 7 from <s> qp 2 uid 1",
        f"warning: unknown record type in todo/{qnum}",
    ]
    os.close(todo.trigger_fd)


@pytest.mark.parametrize("envelope", [b"", b"u1\0p2\0Ta@x\0", b"u1\0p2\0Fs\0Ta@x\0Tb@"])
def test_todo_that_is_not_whole_warns_and_stays(
    home: Path, disk_rig: MemoryRig, envelope: bytes
) -> None:
    qnum = enqueue(home, b"s", [b"r@x"])
    todo_file = home / "queue" / os.fsdecode(layout.todo(qnum))
    todo_file.write_bytes(envelope)
    todo = Todo(NOW, disk_rig.log)
    assert preprocess(disk_rig, todo, NOW, pulled=False) == []
    assert disk_rig.lines()[-1] == f"warning: incomplete envelope in todo/{qnum}"
    assert todo.take_gone() == []
    assert todo_file.exists()
    os.close(todo.trigger_fd)


def test_todo_that_an_older_qmail_clean_removes_under_the_scan_is_reported(
    home: Path, disk_rig: MemoryRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    qnum = enqueue(home, b"s", [b"r@x"])
    (home / "queue" / os.fsdecode(layout.todo(qnum))).unlink()
    monkeypatch.setattr("posix.listdir", lambda path: [b"%d" % qnum])
    todo = Todo(NOW, disk_rig.log)
    assert preprocess(disk_rig, todo, NOW, pulled=False) == []
    assert todo.take_gone() == [qnum]
    assert todo.take_gone() == []
    os.close(todo.trigger_fd)


def test_log_of_nobody_reading_is_dropped(rig: MemoryRig) -> None:
    os.close(rig._log_read)
    rig._fds.remove(rig._log_read)
    rig.log.line(b"lost")
    rig.log.flush()
    rig.log.alert(b"lost too")


def read_controls(home: Path, files: dict[str, str]) -> control_files.Controls:
    for name, text in files.items():
        (home / "control" / name).write_text(text)
    os.chdir(home)
    return control_files.read()


def test_controls_missing_are_the_defaults(home: Path) -> None:
    controls = read_controls(home, {})
    assert controls.lifetime == 604800
    assert controls.concurrency == (10, 20)
    assert controls.bouncefrom == b"MAILER-DAEMON"
    assert controls.bouncehost == b"here.example"
    assert controls.doublebounceto == b"postmaster@here.example"
    assert controls.rewriter.route(b"a") == (0, b"a@here.example")


def test_controls_given_are_used(home: Path) -> None:
    controls = read_controls(
        home,
        {
            "queuelifetime": "100\n",
            "concurrencylocal": "3",
            "bouncefrom": "mb",
            "concurrencyremote": "none",
            "bouncehost": "b",
            "envnoathost": "e",
            "doublebounceto": "x",
            "doublebouncehost": "y",
            "locals": "# none\n",
            "virtualdomains": "v:u\n",
            "percenthack": "p\n",
        },
    )
    assert controls.lifetime == 100
    assert controls.concurrency == (3, 20)
    assert (controls.bouncefrom, controls.bouncehost) == (b"mb", b"b")
    assert controls.doublebounceto == b"x@y"
    assert controls.rewriter.route(b"a@here.example") == (1, b"a@here.example")
    assert controls.rewriter.route(b"a%v@p") == (0, b"u-a@v")
    assert controls.rewriter.route(b"a") == (1, b"a@e")


def test_controls_without_me_and_locals_are_unusable(home: Path) -> None:
    (home / "control/me").unlink()
    with pytest.raises(control_files.Unusable):
        read_controls(home, {})
    controls = read_controls(home, {"locals": "here\n"})
    assert controls.bouncehost == b"bouncehost"
    assert controls.doublebounceto == b"postmaster@doublebouncehost"
    assert controls.rewriter.route(b"a") == (1, b"a@envnoathost")


def test_controls_unreadable_are_an_error(home: Path) -> None:
    (home / "control/virtualdomains").mkdir()
    with pytest.raises(OSError, match="directory"):
        read_controls(home, {})
