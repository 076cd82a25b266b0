"""Large envelopes: preprocessed a slice a turn, while everything else goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from qmail.control.maps import ConstMap
from qmail.queue import layout
from qmail.send.preprocess import SLICE_BYTES
from qmail.send.rewriting import Rewriter
from qmail.send.todo import BATCH_BYTES, LARGE_BYTES, Todo
from tests.support.send_rig import enqueue, make_queue
from tests.unit.send.rigging import NOW, MemoryRig, available

FOREVER = NOW + 86400
RECIPIENTS = [
    address
    for n in range(SLICE_BYTES // 25)
    for address in (b"l%d@here.example" % n, b"r%d@far.example" % n)
]
"""About four slices."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A queue on the disk, and the process in it."""
    make_queue(tmp_path)
    monkeypatch.chdir(tmp_path / "queue")
    return tmp_path


@pytest.fixture
def rig(home: Path) -> Iterator[MemoryRig]:
    """The parts, on the real file system."""
    import posix

    rig = MemoryRig(posix)  # type: ignore[arg-type]  # no look into it here
    yield rig
    rig.close()


@pytest.fixture
def todo(rig: MemoryRig) -> Iterator[Todo]:
    """The scan that the test makes steps of."""
    todo = Todo(NOW, rig.log)
    yield todo
    if todo.trigger_fd >= 0:
        os.close(todo.trigger_fd)


def turn(rig: MemoryRig, todo: Todo, pulled: bool = False) -> list[int]:
    """A turn of the loop, with qmail-clean; what has become S5."""
    todo.run(NOW, pulled, rig.preprocessor, rig.cleaner)
    rig.cleaner.flush()
    for command in available(rig.clean_read).split(b"\0")[:-1]:
        if command.startswith(b"todo/"):
            os.unlink(command)
        os.write(rig.clean_write, b"+")
        rig.cleaner.receive()
    return [message.qnum for message in todo.take_ready()]


def turns_until(rig: MemoryRig, todo: Todo, qnum: int) -> int:
    """Turns until the message is S5; in each of them the loop must not sleep."""
    for count in range(1, 100):
        assert todo.wakeup(FOREVER) == 0
        if qnum in turn(rig, todo):
            return count
    raise AssertionError("never")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def channel(kind: str, qnum: int) -> bytes:
    return Path(os.fsdecode(getattr(layout, kind)(qnum))).read_bytes()


def check_done(qnum: int) -> None:
    for kind, letter in (("local", b"l"), ("remote", b"r")):
        wanted = [r for r in RECIPIENTS if r.startswith(letter)]
        assert channel(kind, qnum) == b"".join(b"T%b\0" % r for r in wanted)
    assert channel("info", qnum) == b"Fbig\0"


def test_small_message_that_came_later_is_ready_before_the_large_one(
    home: Path, rig: MemoryRig, todo: Todo
) -> None:
    before = descriptors()
    large = enqueue(home, b"big", RECIPIENTS)
    assert turn(rig, todo) == []
    small = enqueue(home, b"s", [b"a@here.example"])
    assert todo.wants_trigger()
    assert turn(rig, todo, pulled=True) == [small]
    assert todo.wants_trigger()
    assert turns_until(rig, todo, large) >= 2
    check_done(large)
    assert todo.wakeup(FOREVER) == NOW + 1500
    assert descriptors() == before
    assert rig.lines() == [
        f"new msg {large}",
        f"info msg {large}: bytes 7 from <big> qp 77 uid 500",
        f"new msg {small}",
        f"info msg {small}: bytes 7 from <s> qp 77 uid 500",
    ]


def test_small_message_is_delivered_before_the_large_one_is_preprocessed(
    home: Path, rig: MemoryRig, todo: Todo
) -> None:
    large = enqueue(home, b"big", RECIPIENTS)
    turn(rig, todo)
    small = enqueue(home, b"s", [b"a@here.example"])
    assert turn(rig, todo, pulled=True) == [small]
    rig.scheduler.preprocessed(small, [0])
    rig.scheduler.start_deliveries(NOW)
    assert [recipient for *_, recipient in rig.told(0)] == [b"a@here.example"]
    rig.report(0, 0, b"Kfine\n")
    rig.scheduler.finish_messages(NOW)
    assert rig.lines()[-1] == f"end msg {small}"
    assert Path(f"todo/{large}").exists()
    assert turns_until(rig, todo, large) >= 2


def test_large_messages_go_one_after_the_other(
    home: Path, rig: MemoryRig, todo: Todo
) -> None:
    both = {enqueue(home, b"big", RECIPIENTS) for _ in range(2)}
    turn(rig, todo)
    assert len(rig.lines()) == 2
    # Scans in between find neither of them a second time.
    ready = [qnum for _ in range(30) for qnum in turn(rig, todo, pulled=True)]
    assert len(ready) == 2
    assert {*ready} == both
    for qnum in both:
        check_done(qnum)
    assert [line.split()[:2] for line in rig.lines()] == [
        ["new", "msg"],
        ["info", "msg"],
    ] * 2


def test_batch_takes_only_so_many_bytes_of_envelopes(
    home: Path, rig: MemoryRig, todo: Todo
) -> None:
    recipients = [b"%0100d@x" % n for n in range(LARGE_BYTES // 110)]
    for _ in range(10):
        enqueue(home, b"s", recipients)
    first = turn(rig, todo)
    assert BATCH_BYTES // LARGE_BYTES <= len(first) <= 5
    assert todo.wakeup(FOREVER) == 0
    assert len(turn(rig, todo)) == len(first)


def test_all_slices_of_a_message_go_by_the_same_lists(
    home: Path, rig: MemoryRig, todo: Todo
) -> None:
    large = enqueue(home, b"big", RECIPIENTS)
    turn(rig, todo)
    rig.preprocessor.rewriter = Rewriter(
        ConstMap([]), ConstMap([], colon=True), ConstMap([]), b"here.example"
    )
    turns_until(rig, todo, large)
    check_done(large)


def test_trouble_in_a_later_slice_warns_and_stays(
    home: Path, rig: MemoryRig, todo: Todo
) -> None:
    before = descriptors()
    large = enqueue(home, b"big", RECIPIENTS)
    envelope = Path(f"todo/{large}")
    good = envelope.read_bytes()
    envelope.write_bytes(good + b"Xodd\0")
    while todo.wakeup(FOREVER) <= NOW:
        assert turn(rig, todo) == []
    assert descriptors() == before
    assert rig.lines()[2:] == [f"warning: unknown record type in todo/{large}"]
    # The next scan begins anew.
    envelope.write_bytes(good)
    turn(rig, todo, pulled=True)
    turns_until(rig, todo, large)
    check_done(large)


def test_large_message_that_an_older_qmail_clean_removes_is_reported(
    home: Path, rig: MemoryRig, todo: Todo
) -> None:
    first, second = (enqueue(home, b"big", RECIPIENTS) for _ in range(2))
    turn(rig, todo)
    waiting = second if f"new msg {first}" in rig.lines() else first
    Path(f"todo/{waiting}").unlink()
    while todo.wakeup(FOREVER) <= NOW:
        turn(rig, todo)
    assert todo.take_gone() == [waiting]


def test_stop_between_slices_leaves_the_work_to_the_next_start(
    home: Path, rig: MemoryRig, todo: Todo
) -> None:
    before = descriptors()
    large = enqueue(home, b"big", RECIPIENTS)
    for _ in range(2):
        turn(rig, todo)
    todo.stop(rig.preprocessor)
    todo.stop(rig.preprocessor)
    assert descriptors() == before
    assert Path(f"todo/{large}").exists()
    rig.scheduler.find(large)
    assert rig.scheduler.wakeup(FOREVER) == FOREVER
    os.close(todo.trigger_fd)
    todo.trigger_fd = -1
    again = Todo(NOW, rig.log)
    turn(rig, again)
    turns_until(rig, again, large)
    check_done(large)
    os.close(again.trigger_fd)


def test_stop_when_the_envelope_is_gone_finishes_the_copy(
    home: Path, rig: MemoryRig, todo: Todo
) -> None:
    before = descriptors()
    large = enqueue(home, b"big", RECIPIENTS)
    turn(rig, todo)
    Path(f"todo/{large}").unlink()
    todo.stop(rig.preprocessor)
    check_done(large)
    assert descriptors() == before
