"""Deliveries, bounces and the end of a message, with the power cut at every point."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from qmail.queue import layout
from qmail.queue.states import state_of, survey
from tests.support.crashfs import CrashFs, PowerCut
from tests.unit.send.rigging import (
    DIRECTORIES,
    QNUM,
    MemoryRig,
    available,
    fail_syncs,
    preprocessed,
)

FAILS = (b"bad@here.example", b"worse@far.example")
RECIPIENTS = {
    0: [b"bad@here.example", b"good@here.example", b"later@here.example"],
    1: [b"worse@far.example"],
}
VERDICTS = {b"b": b"Dno such user\n", b"w": b"Dno host\n", b"g": b"Kfine\n"}


class Run:
    """A life of qmail-send on that disk, and what the world saw of it."""

    def __init__(self, fs: CrashFs) -> None:
        self.fs = fs
        self.delivered: set[bytes] = set()
        self.notices = b""

    def live(self, is_first: bool) -> None:
        """Try everything that is due, at first with a deferral."""
        rig = MemoryRig(self.fs)
        try:
            rig.scheduler.find(QNUM)
            now = int(time.time())
            for _ in range(3):
                rig.scheduler.retry_all(0)
                self._turn(rig, now, is_first)
                self.notices += b"".join(rig.accepted)
                rig.accepted.clear()
        finally:
            self.notices += b"".join(rig.accepted)
            rig.close()

    def _turn(self, rig: MemoryRig, now: int, is_first: bool) -> None:
        rig.scheduler.start_deliveries(now)
        for channel in (0, 1):
            for slot, _, _, recipient in rig.told(channel):
                verdict = VERDICTS.get(recipient[:1], b"Kfine\n")
                if recipient.startswith(b"later") and is_first:
                    verdict = b"Znot now\n"
                if verdict.startswith(b"K"):
                    self.delivered.add(recipient)
                rig.report(channel, slot[0], verdict)
        rig.scheduler.finish_messages(now + 1000)  # also what is put off for trouble
        rig.clean()
        available(rig.clean_read)


def fresh() -> CrashFs:
    fs = CrashFs(DIRECTORIES)
    fs.now = time.time()
    files = [b"".join(b"T%b\0" % r for r in RECIPIENTS[c]) for c in (0, 1)]
    preprocessed(fs, local=files[0], remote=files[1])
    fs.calls.clear()
    return fs


def undone(fs: CrashFs) -> set[bytes]:
    """The recipients that the disk still says are to be tried."""
    records = b"".join(
        fs.content(path) or b"" for path in (layout.local(QNUM), layout.remote(QNUM))
    ).split(b"\0")
    return {record[1:] for record in records if record[:1] == b"T"}


def check(run: Run, disk: CrashFs) -> None:
    present = survey(disk).get(QNUM, frozenset())
    if b"info" not in present:
        # They came back alone: nobody reads them, preprocessing removes them.
        present -= {b"local", b"remote"}
    assert state_of(present, after_power_cut=True) in ("S1", "S2", "S5")
    for recipient in RECIPIENTS[0] + RECIPIENTS[1]:
        if b"info" in present and recipient in undone(disk):
            assert disk.content(layout.mess(QNUM)) is not None
        elif recipient in FAILS:
            noted = disk.content(layout.bounce(QNUM)) or b""
            # It is noted while there is a message to bounce, or the notice is queued.
            assert b"<%b>:" % recipient in noted + run.notices
            if noted and b"<%b>:" % recipient not in run.notices:
                assert disk.content(layout.info(QNUM)) is not None
        else:
            assert recipient in run.delivered
    if disk.content(layout.info(QNUM)) is None:
        # The next message with this number must not find the notes of this one.
        assert disk.content(layout.bounce(QNUM)) is None


def steps() -> int:
    run = Run(fresh())
    run.live(is_first=True)
    run.live(is_first=False)
    return len(run.fs.calls)


def test_message_undisturbed_is_delivered_bounced_and_gone() -> None:
    run = Run(fresh())
    run.live(is_first=True)
    assert undone(run.fs) == {b"later@here.example"}
    run.live(is_first=False)
    assert QNUM not in survey(run.fs)
    assert run.notices.count(b"Subject: failure notice") == 1
    assert run.fs.opened == {}


def lived_again(run: Run) -> Iterator[CrashFs]:
    """Each disk that the cut may have left, after one more life: nobody is forgotten."""
    try:
        run.live(is_first=True)
        run.live(is_first=False)
    except PowerCut:
        pass
    for disk in run.fs.reboots():
        check(run, disk)
        again = Run(disk)
        again.delivered = set(run.delivered)
        again.notices = run.notices
        again.live(is_first=False)
        for recipient in FAILS:
            assert b"<%b>:" % recipient in again.notices
        assert {b"good@here.example", b"later@here.example"} <= again.delivered
        yield disk


@pytest.mark.parametrize("cut", range(steps() + 1))
def test_message_power_cut_anywhere_is_delivered_or_bounced(cut: int) -> None:
    run = Run(fresh())
    run.fs.cut_after = cut
    for disk in lived_again(run):
        assert layout.info(QNUM) not in survey(disk).get(QNUM, frozenset())


@pytest.mark.parametrize("at", range(1, steps() + 1))
def test_message_failing_call_is_delivered_or_bounced_later(
    at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qmail.send.log.PAUSE_SECONDS", 0)
    run = Run(fresh())
    run.fs.fail_at = (at, 28)
    run.live(is_first=True)
    run.fs.fail_at = None
    check(run, run.fs)
    run.live(is_first=False)
    run.live(is_first=False)
    for recipient in FAILS:
        assert b"<%b>:" % recipient in run.notices
    assert {b"good@here.example", b"later@here.example"} <= run.delivered


@pytest.mark.parametrize("broken", [layout.bounce(QNUM), layout.BOUNCE_DIR])
@pytest.mark.parametrize("cut", range(steps() + 1))
def test_message_power_cut_while_notes_do_not_reach_the_disk(
    cut: int, broken: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(fresh())
    fail_syncs(run.fs, monkeypatch, broken)
    run.fs.cut_after = cut
    for disk in lived_again(run):
        assert layout.info(QNUM) not in survey(disk).get(QNUM, frozenset())
