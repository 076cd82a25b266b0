"""Messages with many recipients, and those that come while they are delivered."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from qmail.queue import layout
from qmail.send.bounces import Bounces
from qmail.send.jobs import DONE_STEP
from qmail.send.scheduler import BOUNCES_A_TURN
from qmail.send.turns import TURN, WAITING_MAX
from tests.support.crashfs import CrashFs
from tests.unit.send.rigging import NOW, MemoryRig, preprocessed, put

SLOTS = 5
LARGE, OTHER, SMALL = 46, 69, 92


@pytest.fixture
def narrow(fs: CrashFs) -> Iterator[MemoryRig]:
    """A rig with few slots."""
    rig = MemoryRig(fs, limits=(SLOTS, SLOTS))
    yield rig
    rig.close()


def enqueue(rig: MemoryRig, qnum: int, count: int) -> None:
    """A message with that many local recipients, due now."""
    local = b"".join(b"T%d-%d@x\0" % (qnum, n) for n in range(count))
    preprocessed(rig.fs, qnum, local=local)
    rig.scheduler.find(qnum)


def serve(rig: MemoryRig, count: int, report: bytes = b"Kok\n") -> list[int]:
    """Answer that many orders as they come; the messages they were for."""
    served: list[int] = []
    while len(served) < count:
        rig.scheduler.start_deliveries(NOW)
        orders = rig.told(0)
        assert orders
        rig.lines()  # nothing waits for a reader of the log
        for slot, message, *_ in orders:
            served.append(int(message.rpartition(b"/")[2]))
            rig.report(0, slot[0], report)
    return served


def test_lone_large_message_goes_through_in_order(narrow: MemoryRig) -> None:
    enqueue(narrow, LARGE, 3 * TURN)
    assert serve(narrow, 3 * TURN) == [LARGE] * 3 * TURN
    lines = [line for line in narrow.lines() if line.startswith("starting")]
    names = [line.rpartition(" ")[2] for line in lines]
    assert names == [f"{LARGE}-{n}@x" for n in range(3 * TURN)]


def test_small_message_waits_for_no_more_than_two_turns(narrow: MemoryRig) -> None:
    enqueue(narrow, LARGE, 20 * TURN)
    serve(narrow, TURN // 2)
    enqueue(narrow, SMALL, 1)
    served = serve(narrow, 3 * TURN)
    assert SMALL in served[: 2 * TURN + SLOTS]
    assert served.count(LARGE) >= 3 * TURN - 1


def test_large_message_keeps_its_turns_while_small_ones_come(
    narrow: MemoryRig,
) -> None:
    enqueue(narrow, LARGE, 20 * TURN)
    serve(narrow, TURN)
    for n in range(5 * TURN):
        enqueue(narrow, 23 * (n + 100), 1)
    served = serve(narrow, 6 * TURN)
    assert 2 * TURN <= served.count(LARGE) <= 4 * TURN


def test_two_large_messages_share(narrow: MemoryRig) -> None:
    enqueue(narrow, LARGE, 10 * TURN)
    enqueue(narrow, OTHER, 10 * TURN)
    served = serve(narrow, 8 * TURN)
    for qnum in (LARGE, OTHER):
        assert 3 * TURN <= served.count(qnum) <= 5 * TURN


def test_more_large_messages_than_may_wait_all_end(narrow: MemoryRig) -> None:
    count = WAITING_MAX + 4
    qnums = [23 * (n + 100) for n in range(count)]
    for qnum in qnums:
        enqueue(narrow, qnum, 2 * TURN + 1)
    served = serve(narrow, count * (2 * TURN + 1))
    assert {served.count(qnum) for qnum in qnums} == {2 * TURN + 1}
    assert len(narrow.fs.opened) == 0
    narrow.scheduler.finish_messages(NOW + 1)
    assert len(narrow.clean()) == count


def test_passes_that_wait_hold_few_files(narrow: MemoryRig) -> None:
    for n in range(4 * WAITING_MAX):
        enqueue(narrow, 23 * (n + 100), 9 * TURN)
    serve(narrow, 3 * WAITING_MAX * TURN)
    assert len(narrow.fs.opened) <= WAITING_MAX + 1


def test_notes_of_a_turn_are_synced_together_before_a_mark(
    fs: CrashFs, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = MemoryRig(fs, limits=(100, 1))
    calls: list[str] = []
    fsync, write = fs.fsync, fs.write
    bounce = layout.bounce(LARGE)

    def logged_fsync(fd: int) -> None:
        calls.append("fsync")
        fsync(fd)

    def logged_write(fd: int, data: bytes) -> int:
        calls.append("note" if data.startswith(b"<") else "mark")
        return write(fd, data)

    enqueue(rig, LARGE, 101)
    rig.scheduler.start_deliveries(NOW)
    monkeypatch.setattr(fs, "fsync", logged_fsync)
    monkeypatch.setattr(fs, "write", logged_write)
    orders = rig.told(0)
    os.write(rig.reports[0], b"".join(slot + b"Dno\n\0" for slot, *_ in orders))
    rig.scheduler.receive(0)
    # The file, and once its directory.
    assert calls == ["note"] * 100 + ["fsync"] * 2 + ["mark"] * 100
    calls.clear()
    rig.scheduler.start_deliveries(NOW)
    rig.report(0, rig.told(0)[0][0][0], b"Dno\n")
    assert calls == ["note", "fsync"]
    assert (fs.content(bounce) or b"").count(b">:\nno\n\n") == 101
    rig.close()


def test_notes_of_the_next_message_with_the_number_are_entered_anew(
    fs: CrashFs, rig: MemoryRig
) -> None:
    bounces: Bounces = rig.bounces
    for _ in range(2):
        preprocessed(fs, LARGE)
        put(fs, layout.mess(LARGE), b"\nx\n")
        bounces.add(LARGE, b"<a@b>:\nno\n\n")
        bounces.sync()
        for disk in fs.reboots():
            assert disk.content(layout.bounce(LARGE)) == b"<a@b>:\nno\n\n"
        assert bounces.inject(LARGE)
    assert len(rig.accepted) == 2


def test_recipients_that_are_done_are_passed_over_in_steps(narrow: MemoryRig) -> None:
    done = b"Da@x\0" * (3 * DONE_STEP)
    preprocessed(narrow.fs, LARGE, local=done + b"Tlast@x\0")
    narrow.scheduler.find(LARGE)
    narrow.scheduler.start_deliveries(NOW)
    assert narrow.told(0) == []
    assert narrow.scheduler.wakeup(2 * NOW) == 0
    enqueue(narrow, SMALL, 1)
    assert SMALL in serve_turns(narrow, 2)
    assert serve_turns(narrow, 3) == [LARGE]
    narrow.scheduler.finish_messages(NOW + 1)
    assert len(narrow.clean()) == 2
    assert narrow.scheduler.wakeup(2 * NOW) == 2 * NOW


def test_few_bounces_are_queued_in_a_turn_of_the_loop(rig: MemoryRig) -> None:
    for n in range(3 * BOUNCES_A_TURN):
        preprocessed(rig.fs, 23 * (n + 100), bounce=b"<a@b>:\nno\n\n")
        rig.scheduler.find(23 * (n + 100))
    for turn in (1, 2, 3):
        assert rig.scheduler.wakeup(2 * NOW) <= NOW
        rig.scheduler.finish_messages(NOW)
        assert len(rig.accepted) == turn * BOUNCES_A_TURN
    rig.scheduler.finish_messages(NOW)
    assert len(rig.clean()) == 3 * BOUNCES_A_TURN
    assert rig.scheduler.wakeup(2 * NOW) == 2 * NOW


def serve_turns(rig: MemoryRig, count: int) -> list[int]:
    """Answer what is ordered in that many turns of the loop; the messages."""
    served = []
    for _ in range(count):
        rig.scheduler.start_deliveries(NOW)
        for slot, message, *_ in rig.told(0):
            served.append(int(message.rpartition(b"/")[2]))
            rig.report(0, slot[0], b"Kok\n")
    return served
