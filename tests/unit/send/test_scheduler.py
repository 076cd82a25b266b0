"""Passes, jobs, reports, and the end of messages."""

from __future__ import annotations

import os

import pytest

from qmail.queue import layout
from qmail.send.bounces import TOO_LONG
from tests.support.crashfs import CrashFs
from tests.unit.send.rigging import (
    NOW,
    QNUM,
    MemoryRig,
    fail_closes,
    fail_syncs,
    make_controls,
    preprocessed,
)

FOREVER = NOW + 86400


def start(rig: MemoryRig, now: int = NOW) -> None:
    rig.scheduler.start_deliveries(now)


def find(rig: MemoryRig, **files: bytes) -> None:
    preprocessed(rig.fs, QNUM, **files)
    rig.scheduler.find(QNUM)


def recipients(rig: MemoryRig, channel: int) -> list[bytes]:
    return [recipient for _, _, _, recipient in rig.told(channel)]


def test_pass_starts_what_is_not_done_with_lowest_slots(rig: MemoryRig) -> None:
    find(rig, local=b"Ta@x\0Db@x\0Tc@x\0", remote=b"Td@y\0")
    start(rig)
    assert rig.told(0) == [
        [b"\0", b"20/457", b"joe@far.example", b"a@x"],
        [b"\1", b"20/457", b"joe@far.example", b"c@x"],
    ]
    assert rig.told(1) == [[b"\0", b"20/457", b"joe@far.example", b"d@y"]]
    assert rig.lines() == [
        "starting delivery 1: msg 457 to local a@x",
        "status: local 1/10 remote 0/20",
        "starting delivery 2: msg 457 to local c@x",
        "status: local 2/10 remote 0/20",
        "starting delivery 3: msg 457 to remote d@y",
        "status: local 2/10 remote 1/20",
    ]


def test_success_of_all_ends_message(rig: MemoryRig) -> None:
    find(rig, local=b"Ta@x\0", remote=b"Td@y\0")
    start(rig)
    rig.report(0, 0, b"Kdid 1+0+0\n")
    assert rig.fs.content(layout.local(QNUM)) is None
    rig.scheduler.finish_messages(NOW + 1)
    assert rig.fs.content(layout.info(QNUM)) is not None
    rig.report(1, 0, b"Kok\n")
    rig.scheduler.finish_messages(NOW + 1)
    assert rig.clean() == [b"foop/457"]
    assert rig.lines()[-5:] == [
        "delivery 1: success: did_1+0+0/",
        "status: local 0/10 remote 1/20",
        "delivery 2: success: ok/",
        "status: local 0/10 remote 0/20",
        "end msg 457",
    ]
    assert rig.fs.opened == {}


def test_deferral_keeps_recipient_and_schedules_by_age(rig: MemoryRig) -> None:
    find(rig, local=b"Ta@x\0Tb@x\0")
    start(rig)
    rig.report(0, 0, b"Zlater\n")
    rig.report(0, 1, b"Kok\n")
    assert rig.fs.content(layout.local(QNUM)) == b"Ta@x\0Db@x\0"
    assert rig.scheduler.wakeup(FOREVER) == NOW + 100
    start(rig, NOW + 99)
    assert len(recipients(rig, 0)) == 2
    start(rig, NOW + 100)
    assert recipients(rig, 0) == [b"a@x"]


def test_mangled_report_defers(rig: MemoryRig) -> None:
    find(rig, local=b"Ta@x\0")
    start(rig)
    rig.report(0, 0, b"?")
    assert rig.fs.content(layout.local(QNUM)) == b"Ta@x\0"
    assert rig.lines()[-2] == "delivery 1: report mangled, will defer"


def test_report_for_free_slot_is_warned_about(rig: MemoryRig) -> None:
    rig.report(0, 3, b"Kok")
    rig.report(1, 99, b"Kok")
    line = "warning: internal error: delivery report out of range"
    assert rig.lines() == [line, line]


def test_failure_is_noted_then_bounced_at_the_end(rig: MemoryRig) -> None:
    find(rig, local=b"Tvu-a@v.example\0")
    start(rig)
    rig.report(0, 0, b"Dno\n")
    assert rig.fs.content(layout.bounce(QNUM)) == b"<a@v.example>:\nno\n\n"
    rig.scheduler.finish_messages(NOW + 1)
    assert rig.lines()[-2:] == ["bounce msg 457 qp 4242", "end msg 457"]
    (notice,) = rig.accepted
    assert b"<a@v.example>:\nno\n\n--- Below this line" in notice
    assert notice.endswith(b"\n-- F Tjoe@far.example")


def test_failure_whose_note_is_not_on_disk_is_tried_again(
    rig: MemoryRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    find(rig, local=b"Ta@x\0Tb@x\0Tc@x\0")
    start(rig)
    fail_syncs(rig.fs, monkeypatch, layout.bounce(QNUM))
    os.write(rig.reports[0], b"\0Dno\n\0\1Kok\n\0")
    rig.scheduler.receive(0)
    assert rig.fs.content(layout.local(QNUM)) == b"Ta@x\0Db@x\0Tc@x\0"
    monkeypatch.undo()
    rig.report(0, 2, b"Kok\n")
    assert rig.fs.content(layout.local(QNUM)) == b"Ta@x\0Db@x\0Dc@x\0"
    assert recipients(rig, 0) == [b"a@x", b"b@x", b"c@x"]
    assert NOW < rig.scheduler.wakeup(FOREVER) < FOREVER
    rig.scheduler.retry_all(NOW)
    start(rig)
    assert recipients(rig, 0) == [b"a@x"]
    rig.report(0, 0, b"Kin the end\n")
    rig.scheduler.finish_messages(NOW + 1)
    assert rig.lines()[-1] == "end msg 457"
    assert rig.accepted == []


def test_message_whose_files_fail_to_close_is_delivered(
    rig: MemoryRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    preprocessed(rig.fs, QNUM, local=b"Ta@x\0")
    fail_closes(rig.fs, monkeypatch)
    rig.scheduler.find(QNUM)
    start(rig)
    rig.report(0, 0, b"Kok\n")
    rig.scheduler.finish_messages(NOW + 1)
    assert rig.lines()[-1] == "end msg 457"


def test_expired_message_bounces_at_deferral(fs: CrashFs) -> None:
    rig = MemoryRig(fs, controls=make_controls(lifetime=50))
    find(rig, local=b"Ta@x\0")
    start(rig, NOW + 51)
    rig.report(0, 0, b"Zlater\n")
    noted = fs.content(layout.bounce(QNUM)) or b""
    assert noted == b"<a@x>:\nlater\n" + TOO_LONG + b"\n"
    assert rig.lines()[-2].startswith("delivery 1: failure: later/")
    rig.close()


def test_concurrency_limit_holds_the_pass_and_report_frees_it(fs: CrashFs) -> None:
    rig = MemoryRig(fs, limits=(2, 0))
    find(rig, local=b"Ta@x\0Tb@x\0Tc@x\0", remote=b"Td@y\0")
    start(rig)
    assert recipients(rig, 0) == [b"a@x", b"b@x"]
    assert rig.scheduler.wakeup(FOREVER) == FOREVER
    rig.report(0, 1, b"Kok")
    start(rig)
    assert rig.told(0) == [[b"\1", b"20/457", b"joe@far.example", b"c@x"]]
    assert recipients(rig, 1) == []
    rig.close()


def test_verp_sender_names_each_recipient(rig: MemoryRig) -> None:
    find(rig, info=b"Fl-@h-@[]\0", remote=b"Ta@x\0")
    start(rig)
    assert rig.told(1)[0][2] == b"l-a=x@h"


@pytest.mark.parametrize("broken", [b"Ta@x\0Xb@x\0", b"Ta@x\0Tb"], ids=["kind", "cut"])
def test_broken_channel_file_stays_and_is_retried(
    rig: MemoryRig, broken: bytes
) -> None:
    find(rig, local=broken)
    start(rig)
    rig.report(0, 0, b"Kok")
    assert "warning: unknown record type in local/20/457!" in rig.lines()
    kept = rig.fs.content(layout.local(QNUM)) or b""
    assert kept == b"D" + broken[1:]
    assert rig.scheduler.wakeup(FOREVER) == NOW + 100


def test_missing_info_is_trouble_and_retried_in_123_seconds(rig: MemoryRig) -> None:
    find(rig, local=b"Ta@x\0")
    rig.fs.unlink(layout.info(QNUM))
    start(rig)
    line = "warning: trouble opening local/20/457; will try again later"
    assert rig.lines() == [line]
    assert rig.scheduler.wakeup(FOREVER) == NOW + 123
    assert rig.fs.opened == {}


def test_message_without_recipients_ends_at_once(rig: MemoryRig) -> None:
    find(rig)
    rig.scheduler.finish_messages(NOW + 5)
    assert rig.lines() == ["end msg 457"]
    assert rig.clean() == [b"foop/457"]


def test_find_leaves_alone_what_is_not_preprocessed(rig: MemoryRig) -> None:
    preprocessed(rig.fs, local=b"Ta@x\0", todo=b"Fjoe\0Ta@x\0")
    rig.scheduler.find(QNUM)
    start(rig)
    assert rig.told(0) == []


def test_find_takes_retry_time_from_the_file(rig: MemoryRig) -> None:
    rig.fs.now += 500
    find(rig, local=b"Ta@x\0")
    assert rig.scheduler.wakeup(FOREVER) == NOW + 500
    rig.scheduler.retry_all(NOW)
    assert rig.scheduler.wakeup(FOREVER) == NOW
    assert rig.scheduler.retry_times() == [(b"local/20/457", NOW)]


@pytest.mark.parametrize("how", ["preprocessed", "found"])
def test_message_that_could_not_be_looked_at_is_queued_once(
    rig: MemoryRig, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    stat = rig.fs.stat

    def broken(path: bytes) -> object:
        if path == layout.todo(QNUM):
            raise OSError(5, "broken")
        return stat(path)

    preprocessed(rig.fs, todo=b"Fjoe\0Ta@x\0", local=b"Ta@x\0")
    with monkeypatch.context() as trouble:
        trouble.setattr(rig.fs, "stat", broken)
        rig.scheduler.find(QNUM)
    rig.fs.unlink(layout.todo(QNUM))
    if how == "preprocessed":
        rig.scheduler.preprocessed(QNUM, [0])
    else:
        rig.scheduler.find(QNUM)
    later = 2 * NOW
    rig.scheduler.finish_messages(later)
    start(rig, later)
    assert recipients(rig, 0) == [b"a@x"]


def test_message_that_could_not_be_looked_at_is_found_later(
    rig: MemoryRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: bytes) -> object:
        raise OSError(5, "broken")

    preprocessed(rig.fs, local=b"Ta@x\0")
    with monkeypatch.context() as trouble:
        trouble.setattr(rig.fs, "stat", broken)
        rig.scheduler.find(QNUM)
        rig.scheduler.finish_messages(2 * NOW)
    rig.scheduler.finish_messages(2 * NOW)
    start(rig, 2 * NOW)
    assert recipients(rig, 0) == [b"a@x"]


def test_stop_starts_nothing_more_and_waits_for_deliveries(fs: CrashFs) -> None:
    rig = MemoryRig(fs, limits=(1, 1))
    find(rig, local=b"Ta@x\0Tb@x\0")
    start(rig)
    rig.scheduler.stop()
    assert not rig.scheduler.is_over()
    rig.report(0, 0, b"Kok")
    start(rig)
    assert recipients(rig, 0) == [b"a@x"]
    assert rig.scheduler.is_over()
    assert rig.lines()[-1] == "status: local 0/1 remote 0/1 exitasap"
    rig.close()


def test_lost_spawner_stops_all_but_not_the_other_one(rig: MemoryRig) -> None:
    find(rig, local=b"Ta@x\0", remote=b"Tb@y\0")
    start(rig)
    os.close(rig.reports[0])
    rig._fds.remove(rig.reports[0])
    rig.scheduler.receive(0)
    assert rig.lines()[-1] == "alert: oh no! lost spawn connection! dying..."
    assert rig.scheduler.is_stopping()
    assert not rig.scheduler.is_over()
    rig.report(1, 0, b"Kok")
    assert rig.scheduler.is_over()


def test_full_pipe_holds_deliveries_back_until_it_drains(rig: MemoryRig) -> None:
    spawner = rig.spawners[0]
    filler = b"x" * 4096
    while True:
        try:
            os.write(spawner.fd_out, filler)
        except BlockingIOError:
            break
    find(rig, local=b"Ta@x\0Tb@x\0")
    start(rig)
    assert spawner.wants_write()
    assert not spawner.has_room()
    os.read(rig.commands[0], 1 << 20)
    spawner.flush()
    assert not spawner.wants_write()
    assert recipients(rig, 0) == [b"a@x", b"b@x"]


@pytest.fixture
def failing_unlink(rig: MemoryRig, monkeypatch: pytest.MonkeyPatch) -> MemoryRig:
    def unlink(path: bytes, /) -> None:
        raise PermissionError(13, "no", path)

    monkeypatch.setattr(rig.fs, "unlink", unlink)
    return rig


def test_channel_file_that_cannot_go_is_marked_and_retried(
    failing_unlink: MemoryRig,
) -> None:
    rig = failing_unlink
    find(rig, local=b"Ta@x\0")
    start(rig)
    rig.report(0, 0, b"Kok")
    assert rig.fs.content(layout.local(QNUM)) == b"Da@x\0"
    line = "warning: unable to unlink local/20/457; will try again later"
    assert line in rig.lines()
    assert rig.scheduler.wakeup(FOREVER) == NOW + 123


def test_refused_bounce_keeps_message_for_another_try(rig: MemoryRig) -> None:
    find(rig, local=b"Ta@x\0")
    start(rig)
    rig.report(0, 0, b"Dno\n")
    rig.refusal = b"Zdisk full"
    rig.scheduler.finish_messages(NOW + 60)
    line = "warning: trouble injecting bounce message, will try later"
    assert rig.lines()[-1] == line
    assert rig.fs.content(layout.info(QNUM)) is not None
    rig.refusal = b""
    rig.scheduler.finish_messages(NOW + 300)
    assert rig.lines()[-1] == "end msg 457"
