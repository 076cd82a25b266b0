"""The queue under power cuts: every point of every transition, every disk it may leave.

The promises: what was acknowledged is queued, whole; what is queued is whole; every disk
holds legal states only; and cleaning leads from each of them to S1 or S4.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from pytools.base.durable import sync_dir
from pytools.base.seams import Fs
from qmail.queue import clean, enqueue, exitcodes, layout, states
from qmail.queue.enqueue import pid_names
from qmail.queue.exitcodes import Refused
from qmail.queue.intake import Intake
from tests.support.crashfs import CrashFs, PowerCut

RECEIVED = b"Received: (qmail 7 invoked by uid 5); 22 Nov 2026 14:10:53 -0000\n"
MESSAGE = (b"Subject: x\n\nfirst ", b"and second piece\n")
ENVELOPE = (b"Fs@example.org\0Tr1@exam", b"ple.org\0Tr2@example.org\0\0")
MESS = RECEIVED + b"".join(MESSAGE)
TODO = b"u5\0p7\0" + b"".join(ENVELOPE)[:-1]

DIRECTORIES = [
    *(k + b"/%d" % part for k in layout.SPLIT_KINDS for part in range(layout.SPLIT)),
    *(layout.PID_DIR, layout.INTD_DIR, layout.TODO_DIR, layout.BOUNCE_DIR),
]


def queue_one(fs: CrashFs) -> int:
    """Queue the message, as a worker does; the exit code."""
    intake = Intake(5, 7, RECEIVED, pid_names(7), lambda: False, fs)
    try:
        for piece in MESSAGE:
            intake.message(piece)
        intake.end_message()
        for piece in ENVELOPE:
            intake.envelope(piece)
        intake.end_envelope()
        intake.commit()
    except Refused as refused:
        intake.entry.abandon()
        return refused.code
    return exitcodes.QUEUED


def trouble_on(disk: CrashFs, acknowledged: bool) -> list[str]:
    """Which promises this disk breaks."""
    found = [f"{n}: {what}" for n, what in states.check(disk)]
    survey = states.survey(disk)
    queued = [n for n, kinds in survey.items() if b"todo" in kinds]
    for n in queued:
        if disk.content(layout.todo(n)) != TODO:
            found.append("queued with a broken envelope")
        if disk.content(layout.mess(n)) != MESS:
            found.append("queued with a broken message")
    if acknowledged and not queued:
        found.append("acknowledged but lost")
    cleaner = clean.Cleaner(disk)
    for n, kinds in survey.items():
        if states.state_of(kinds, after_power_cut=True) in ("S2", "S3"):
            assert cleaner.obey(layout.foop(n)) == clean.DONE
    for n, kinds in states.survey(disk).items():
        if states.state_of(kinds) != "S4":
            found.append(f"{n}: not cleaned")
    return found


def power_cuts() -> Iterator[tuple[CrashFs, bool]]:
    """Each disk after a power cut at each point, and whether it was acknowledged."""
    point = 0
    while True:
        fs = CrashFs(DIRECTORIES, cut_after=point)
        code = None
        try:
            code = queue_one(fs)
        except PowerCut:
            pass
        assert code in (None, exitcodes.QUEUED)
        for disk in fs.reboots():
            yield disk, code is not None
        if code is not None:
            return
        point += 1


def all_trouble() -> set[str]:
    return {
        trouble
        for disk, acknowledged in power_cuts()
        for trouble in trouble_on(disk, acknowledged)
    }


def unsynced(path: bytes, fs: Fs) -> None:
    """A sync_dir that only looks like one."""


def test_enqueue_any_power_cut_keeps_every_promise() -> None:
    count = 0
    for disk, acknowledged in power_cuts():
        count += 1
        assert trouble_on(disk, acknowledged) == []
    assert count > 40


def test_enqueue_without_directory_fsync_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(enqueue, "sync_dir", unsynced)
    assert "acknowledged but lost" in all_trouble()


def test_enqueue_without_fsync_of_mess_directory_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = sync_dir

    def only_todo(path: bytes, fs: Fs) -> None:
        if path == layout.TODO_DIR:
            real(path, fs)

    monkeypatch.setattr(enqueue, "sync_dir", only_todo)
    found = all_trouble()
    assert "queued with a broken message" in found
    assert any("no such state: todo" in trouble for trouble in found)
    assert any("no such state: intd" in trouble for trouble in found)


def test_enqueue_without_file_fsync_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def only_close(self: enqueue.Entry) -> None:
        self._close()

    monkeypatch.setattr(enqueue.Entry, "_sync_file", only_close)
    found = all_trouble()
    assert "queued with a broken message" in found
    assert "queued with a broken envelope" in found


EXPECTED_CODES = {
    exitcodes.WRITE_ERROR,
    exitcodes.PID_TROUBLE,
    exitcodes.MESS_TROUBLE,
    exitcodes.INTD_TROUBLE,
    exitcodes.TODO_TROUBLE,
}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_enqueue_any_failing_call_is_temporary_and_legal(number: int) -> None:
    reached = set()
    for point in range(1, 100):
        fs = CrashFs(DIRECTORIES, fail_at=(point, number))
        code = queue_one(fs)
        reached.add(code)
        # Only after the link is a message in the queue that was not acknowledged.
        assert trouble_on(fs, acknowledged=code == exitcodes.QUEUED) == []
        assert fs.opened == {}
        if code == exitcodes.QUEUED:
            break
    assert reached == {*EXPECTED_CODES, exitcodes.QUEUED}


def test_enqueue_failing_call_then_power_cut_keeps_every_promise() -> None:
    whole = CrashFs(DIRECTORIES)
    queue_one(whole)
    for point in range(1, len(whole.calls) + 1):
        for cut in range(point, point + 8):
            fs = CrashFs(DIRECTORIES, cut_after=cut, fail_at=(point, errno.ENOSPC))
            try:
                queue_one(fs)
            except PowerCut:
                pass
            for disk in fs.reboots(64):
                assert trouble_on(disk, acknowledged=False) == []


def preprocessed_then_eliminated(fs: CrashFs) -> None:
    """S4 -> S5 -> S2 -> S1, with qmail-send's part done as it must."""
    n = next(iter(states.survey(fs)))
    info = fs.open(layout.info(n), enqueue._CREATE, 0o644)
    fs.write(info, b"Fs@example.org\0")
    fs.fsync(info)
    fs.close(info)
    sync_dir(b"info/%d" % layout.split(n), fs)
    cleaner = clean.Cleaner(fs)
    assert cleaner.obey(layout.todo(n)) == clean.DONE
    fs.unlink(layout.info(n))
    sync_dir(b"info/%d" % layout.split(n), fs)
    assert cleaner.obey(layout.foop(n)) == clean.DONE


def illegal_after_cleaning() -> list[tuple[int, str]]:
    for point in range(100):
        fs = CrashFs(DIRECTORIES)
        assert queue_one(fs) == exitcodes.QUEUED
        fs.make_safe()
        fs.calls.clear()
        fs.cut_after = point
        completed = False
        try:
            preprocessed_then_eliminated(fs)
            completed = True
        except PowerCut:
            pass
        for disk in fs.reboots():
            if wrong := states.check(disk):
                return wrong
        if completed:
            return []
    raise AssertionError("never completed")


def test_clean_any_power_cut_leaves_legal_states() -> None:
    assert illegal_after_cleaning() == []


def test_clean_without_directory_fsync_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clean, "sync_dir", unsynced)
    assert illegal_after_cleaning() != []
