"""Messages with many recipients, and those that come while they are delivered."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest

from qmail.queue import layout
from qmail.send.bounces import Bounces
from qmail.send.jobs import DONE_STEP
from qmail.send.log import Log
from qmail.send.scheduler import BOUNCES_A_TURN
from qmail.send.turns import TURN
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


def test_many_large_messages_all_end(narrow: MemoryRig) -> None:
    count = 12
    qnums = [23 * (n + 100) for n in range(count)]
    for qnum in qnums:
        enqueue(narrow, qnum, 2 * TURN + 1)
    served = serve(narrow, count * (2 * TURN + 1))
    assert {served.count(qnum) for qnum in qnums} == {2 * TURN + 1}
    assert len(narrow.fs.opened) == 0
    narrow.scheduler.finish_messages(NOW + 1)
    assert len(narrow.clean()) == count


def test_passes_that_wait_hold_no_files(narrow: MemoryRig) -> None:
    for n in range(32):
        enqueue(narrow, 23 * (n + 100), 9 * TURN)
    serve(narrow, 24 * TURN)
    assert len(narrow.fs.opened) == 1


def test_small_message_does_not_wait_for_many_large_ones(narrow: MemoryRig) -> None:
    for n in range(20):
        enqueue(narrow, 23 * (n + 100), 15 * TURN)
    serve(narrow, 60 * TURN)
    enqueue(narrow, SMALL, 1)
    assert SMALL in serve(narrow, 2 * TURN + SLOTS)


def test_waiting_pass_that_cannot_be_reopened_is_tried_later(
    narrow: MemoryRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(narrow, LARGE, 6 * TURN)
    enqueue(narrow, OTHER, 6 * TURN)
    served = serve(narrow, 5 * TURN)
    left = {qnum: 6 * TURN - served.count(qnum) for qnum in (LARGE, OTHER)}
    # What is in the reader's block is still known.
    refuse(narrow, monkeypatch, layout.local(LARGE))
    assert serve(narrow, left[OTHER])[-TURN:] == [OTHER] * TURN
    warning = f"warning: trouble reading local/0/{LARGE}; will try again later"
    assert warning in narrow.lines()
    monkeypatch.undo()
    narrow.scheduler.retry_all(NOW)
    assert LARGE in serve(narrow, TURN)


def refuse(rig: MemoryRig, monkeypatch: pytest.MonkeyPatch, path: bytes) -> None:
    """Have that file not be opened any more."""
    really = rig.fs.open

    def open_(name: bytes, flags: int, mode: int = 0o777) -> int:
        if name == path:
            raise OSError(errno.EMFILE, "too many")
        return really(name, flags, mode)

    monkeypatch.setattr(rig.fs, "open", open_)


def test_message_that_cannot_be_opened_holds_nobody_up(
    narrow: MemoryRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(narrow, LARGE, 5 * TURN)
    serve(narrow, TURN)
    enqueue(narrow, OTHER, 1)
    refuse(narrow, monkeypatch, layout.info(OTHER))
    assert serve(narrow, 4 * TURN) == [LARGE] * 4 * TURN


def test_loop_does_not_sleep_while_a_pass_waits(narrow: MemoryRig) -> None:
    enqueue(narrow, LARGE, 3 * TURN)
    enqueue(narrow, OTHER, 3 * TURN)
    forever = NOW + 86400
    served = 0
    while served < 6 * TURN:
        assert narrow.scheduler.wakeup(forever) <= NOW
        served += len(serve(narrow, 1))
    narrow.scheduler.start_deliveries(NOW)
    narrow.scheduler.finish_messages(NOW + 1)
    assert narrow.scheduler.wakeup(forever) > NOW


def test_success_is_marked_before_a_note_waits_for_the_disk(
    fs: CrashFs, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = MemoryRig(fs)
    enqueue(rig, LARGE, 4)
    rig.scheduler.start_deliveries(NOW)
    slots = [order[0] for order in rig.told(0)]
    refuse(rig, monkeypatch, layout.bounce(LARGE))
    seen: list[bytes | None] = []

    def pause(log: Log) -> None:
        seen.append(fs.content(layout.local(LARGE)))
        monkeypatch.undo()

    monkeypatch.setattr(Log, "pause", pause)
    answers = zip(slots, (b"Dno\n", b"Kok\n", b"Kok\n"), strict=False)
    os.write(rig.reports[0], b"".join(slot + text + b"\0" for slot, text in answers))
    rig.scheduler.receive(0)
    letters = [record[:1] for record in (seen[0] or b"").split(b"\0")[:-1]]
    assert letters == [b"T", b"D", b"D", b"T"]
    assert (fs.content(layout.local(LARGE)) or b"")[:1] == b"D"
    rig.close()


def test_stop_leaves_no_file_open_and_the_marks_on_disk(fs: CrashFs) -> None:
    rig = MemoryRig(fs, limits=(SLOTS, SLOTS))
    enqueue(rig, LARGE, 3 * TURN)
    enqueue(rig, OTHER, 3 * TURN)
    served = serve(rig, 4 * TURN)
    rig.scheduler.stop()
    assert rig.scheduler.retry_times() == []
    assert len(fs.opened) == 0
    for disk in fs.reboots():
        for qnum in (LARGE, OTHER):
            content = disk.content(layout.local(qnum)) or b""
            assert content.count(b"D") == served.count(qnum) > 0
    rig.close()


def test_directory_that_was_not_synced_is_synced_for_the_next_note(
    fs: CrashFs, rig: MemoryRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trouble(path: bytes, fs: object) -> None:
        raise OSError(errno.EIO, "trouble")

    preprocessed(fs, LARGE)
    monkeypatch.setattr("qmail.send.bounces.sync_dir", trouble)
    rig.bounces.add(LARGE, b"<a@b>:\nno\n\n")
    assert rig.bounces.sync() == {LARGE}
    monkeypatch.undo()
    rig.bounces.add(LARGE, b"<c@d>:\nno\n\n")
    assert rig.bounces.sync() == set()
    for disk in fs.reboots():
        assert disk.content(layout.bounce(LARGE)) == b"<c@d>:\nno\n\n"


def test_notes_that_somebody_took_away_are_entered_anew(
    fs: CrashFs, rig: MemoryRig
) -> None:
    preprocessed(fs, LARGE)
    rig.bounces.add(LARGE, b"<a@b>:\nno\n\n")
    rig.bounces.sync()
    fs.unlink(layout.bounce(LARGE))
    assert rig.bounces.inject(LARGE)
    rig.bounces.add(LARGE, b"<a@b>:\nno\n\n")
    rig.bounces.sync()
    for disk in fs.reboots():
        assert disk.content(layout.bounce(LARGE)) == b"<a@b>:\nno\n\n"


def test_notes_get_along_with_few_descriptors(
    fs: CrashFs, rig: MemoryRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = fs.open

    def open_(name: bytes, flags: int, mode: int = 0o777) -> int:
        if len(fs.opened) == 3:
            raise OSError(errno.EMFILE, "too many")
        return really(name, flags, mode)

    def pause(log: Log) -> None:
        raise AssertionError("it waits for itself")

    monkeypatch.setattr(fs, "open", open_)
    monkeypatch.setattr(Log, "pause", pause)
    qnums = [23 * n for n in range(100, 110)]
    for qnum in qnums:
        rig.bounces.add(qnum, b"<a@b>:\nno\n\n")
    rig.bounces.sync()
    assert all(fs.content(layout.bounce(qnum)) for qnum in qnums)


def test_notes_of_many_messages_at_once(fs: CrashFs, rig: MemoryRig) -> None:
    qnums = [23 * n for n in range(100, 200)]
    for qnum in qnums * 2:
        rig.bounces.add(qnum, b"<a@b>:\nno\n\n")
        assert len(fs.opened) <= 32
    rig.bounces.sync()
    assert len(fs.opened) == 0
    for qnum in qnums:
        assert (fs.content(layout.bounce(qnum)) or b"").count(b"no") == 2


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
