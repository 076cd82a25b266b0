"""Preprocessing (S4 -> S5) with the power cut, or a call failing, at every point."""

from __future__ import annotations

import errno

import pytest

from qmail.queue import layout
from qmail.queue.states import state_of, survey
from qmail.send.preprocess import Prepared
from tests.support.crashfs import CrashFs, PowerCut
from tests.support.envelopes import encode_todo
from tests.unit.send.rigging import DIRECTORIES, MemoryRig, put

FIRST, SECOND = 457, 457 + layout.SPLIT
RECIPIENTS = [b"a@here.example", b"b@far.example", b"c@v.example"]
LOCAL = b"Ta@here.example\0Tvu-c@v.example\0"
REMOTE = b"Tb@far.example\0"


def queued() -> CrashFs:
    """Two messages in S4; the first with leftovers of an older one with its number."""
    fs = CrashFs(DIRECTORIES)
    for qnum in (FIRST, SECOND):
        put(fs, layout.mess(qnum), b"\nhello\n")
        put(fs, layout.intd(qnum), encode_todo(1, 2, b"s@far.example", RECIPIENTS))
        fs.link(layout.intd(qnum), layout.todo(qnum))
    put(fs, layout.info(FIRST), b"Fstranger@far.example\0")
    put(fs, layout.remote(FIRST), b"Tenemy@far.example\0")
    put(fs, layout.local(FIRST), b"Tenemy@here.example\0")
    fs.make_safe()
    fs.calls.clear()
    return fs


def preprocess(fs: CrashFs) -> MemoryRig:
    """What a turn of the loop does, with qmail-clean."""
    rig = MemoryRig(fs)
    try:
        todo = sorted(int(name) for name in fs.listdir(layout.TODO_DIR))
        found = [rig.preprocessor.prepare(qnum) for qnum in todo]
        batch = [message for message in found if message is not None]
        for message in rig.preprocessor.commit(batch):
            rig.cleaner.request(layout.todo(message.qnum))
        rig.clean()
    finally:
        rig.close()
    return rig


def check_done(fs: CrashFs, qnum: int) -> None:
    assert fs.content(layout.info(qnum)) == b"Fs@far.example\0"
    assert fs.content(layout.local(qnum)) == LOCAL
    assert fs.content(layout.remote(qnum)) == REMOTE


def check_s5(fs: CrashFs) -> None:
    """Both messages are preprocessed, and no file has been left open."""
    for qnum in (FIRST, SECOND):
        check_done(fs, qnum)
        assert state_of(survey(fs)[qnum]) == "S5"
    assert fs.opened == {}


def check_safe_and_resumable(fs: CrashFs) -> None:
    """S4 or S5 on every disk a power cut leaves, and the next start ends the work."""
    for disk in fs.reboots():
        for qnum in (FIRST, SECOND):
            assert state_of(survey(disk)[qnum], after_power_cut=True) in ("S4", "S5")
            if disk.content(layout.todo(qnum)) is None:
                check_done(disk, qnum)
        # The next qmail-send brings it to the end.
        preprocess(disk)
        for qnum in (FIRST, SECOND):
            check_done(disk, qnum)
            assert disk.content(layout.todo(qnum)) is None


def steps() -> int:
    fs = queued()
    preprocess(fs)
    return len(fs.calls)


def test_preprocess_undisturbed_is_s5() -> None:
    fs = queued()
    preprocess(fs)
    check_s5(fs)


@pytest.mark.parametrize("cut", range(steps() + 1))
def test_preprocess_power_cut_anywhere_loses_nothing(cut: int) -> None:
    fs = queued()
    fs.cut_after = cut
    try:
        preprocess(fs)
    except PowerCut:
        pass
    check_safe_and_resumable(fs)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["full", "io"])
@pytest.mark.parametrize("at", range(1, steps() - 3))
def test_preprocess_failing_call_leaves_todo_or_all_of_it(at: int, error: int) -> None:
    fs = queued()
    fs.fail_at = (at, error)
    rig = preprocess(fs)
    assert fs.opened == {}
    for qnum in (FIRST, SECOND):
        if fs.content(layout.todo(qnum)) is None:
            check_done(fs, qnum)
    assert len(fs.listdir(layout.TODO_DIR)) > 0
    fs.fail_at = None
    preprocess(fs)
    check_done(fs, FIRST)
    check_done(fs, SECOND)
    assert rig is not None


# The same in slices, with a small message between them.


@pytest.fixture
def tiny_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice is a record, and each is written at once."""
    monkeypatch.setattr("qmail.send.preprocess.SLICE_BYTES", 1)
    monkeypatch.setattr("qmail.send.preprocess._HELD_BYTES", 1)


def preprocess_sliced(fs: CrashFs, most: int | None = None) -> int:
    """FIRST in slices, at most so many; SECOND after the first of them. How many."""
    rig = MemoryRig(fs)
    count = 0
    message = Prepared(FIRST)
    slices = rig.preprocessor.slices(message)
    try:
        while count != most and next(slices, False):
            count += 1
            if count == 1:
                second = rig.preprocessor.prepare(SECOND)
                commit(rig, [second] if second else [])
        slices.close()
        commit(rig, [message] if message.is_written else [])
    finally:
        slices.close()
        rig.close()
    return count


def commit(rig: MemoryRig, batch: list[Prepared]) -> None:
    for message in rig.preprocessor.commit(batch):
        rig.cleaner.request(layout.todo(message.qnum))
    rig.clean()


SLICES = 3 + len(RECIPIENTS) - 1
"""One less than the records u, p, F and T."""


@pytest.mark.usefixtures("tiny_slices")
def test_sliced_preprocess_undisturbed_is_s5() -> None:
    fs = queued()
    assert preprocess_sliced(fs) == SLICES
    check_s5(fs)


@pytest.mark.usefixtures("tiny_slices")
def test_sliced_preprocess_power_cut_anywhere_loses_nothing() -> None:
    whole = queued()
    preprocess_sliced(whole)
    for cut in range(len(whole.calls) + 1):
        fs = queued()
        fs.cut_after = cut
        try:
            preprocess_sliced(fs)
        except PowerCut:
            pass
        check_safe_and_resumable(fs)


@pytest.mark.usefixtures("tiny_slices")
@pytest.mark.parametrize("most", range(1, SLICES + 1))
def test_sliced_preprocess_that_stops_is_in_s4(most: int) -> None:
    fs = queued()
    assert preprocess_sliced(fs, most) == most
    assert fs.opened == {}
    assert state_of(survey(fs)[FIRST]) == "S4"
    assert state_of(survey(fs)[SECOND]) == "S5"
    check_safe_and_resumable(fs)


@pytest.mark.usefixtures("tiny_slices")
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["full", "io"])
def test_sliced_preprocess_failing_call_leaves_todo_or_all_of_it(error: int) -> None:
    whole = queued()
    preprocess_sliced(whole)
    # The last calls are qmail-clean's.
    for at in range(1, len(whole.calls) - 1):
        if whole.calls[at - 1].startswith(("unlink todo", "unlink intd")):
            continue
        fs = queued()
        fs.fail_at = (at, error)
        preprocess_sliced(fs)
        assert fs.opened == {}
        for qnum in (FIRST, SECOND):
            if fs.content(layout.todo(qnum)) is None:
                check_done(fs, qnum)
        fs.fail_at = None
        preprocess(fs)
        check_done(fs, FIRST)
        check_done(fs, SECOND)
