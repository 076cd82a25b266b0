"""Repair of a queue under power cuts: every point of it, every disk that it may leave.

The promises: whatever is on the disk, the next repair ends with every message under the
number of its inode, in the right places, with its own envelope and nothing of another's;
what qmail-send could see in between is always a whole message; nothing is deleted.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Container, Iterator

import pytest

from pytools.base.seams import Fs, StatResult
from qmail.queue import inspection, layout, renumber, states
from qmail.queue.inspection import inspect
from qmail.queue.repair import repair
from qmail.queue.survey import LOST, STAGE, Survey, proper
from tests.support.crashfs import CrashFs, PowerCut

DIRECTORIES = [
    *(k + b"/%d" % part for k in layout.SPLIT_KINDS for part in range(layout.SPLIT)),
    *(layout.PID_DIR, layout.INTD_DIR, layout.TODO_DIR, layout.BOUNCE_DIR, b"lock"),
]
UIDS = dict.fromkeys(states.FILES, 0)
PARTS = 4
"""Tests, each of every fourth point."""
S4, S5 = (b"mess", b"intd", b"todo"), (b"mess", b"info", b"local", b"bounce")


class RepairCrashFs(CrashFs):
    """With the two calls more that a repair makes."""

    def rmdir(self, path: bytes, /) -> None:
        assert not self.listdir(path)
        self.unlink(path)

    def own(
        self,
        path: bytes,
        owner: tuple[int, int],
        seen: StatResult,
        names: int,
        known: Container[int],
    ) -> None:
        assert self.stat(path).st_ino == seen.st_ino
        self._node(path).mode = owner[1]


def content(name: bytes, kind: bytes) -> bytes:
    """What the file of that kind says of the message with that name."""
    return {
        b"mess": b"Subject: %b\n\n" % name,
        b"intd": b"u1\0p2\0F%b\0Tr@%b\0" % (name, name),
        b"todo": b"u1\0p2\0F%b\0Tr@%b\0" % (name, name),
        b"info": b"F%b\0" % name,
        b"local": b"Tr@%b\0" % name,
        b"bounce": b"<%b>:\nno\n" % name,
    }[kind]


def write(fs: CrashFs, path: bytes, data: bytes) -> int:
    fd = fs.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
    fs.write(fd, data)
    mode = inspection.MODES.get(path.partition(b"/")[0])
    if mode is not None:
        fs.fchmod(fd, mode)
    n = fs.fstat(fd).st_ino
    fs.close(fd)
    return n


def copied_queue() -> RepairCrashFs:
    """Three messages whose numbers are a cycle of each other's inodes, one alone, one
    in the right number but the wrong place, and an orphan."""
    fs = RepairCrashFs(DIRECTORIES)
    inodes = [write(fs, b"pid/%d" % i, content(b"m%d" % i, b"mess")) for i in range(5)]
    numbers = [*inodes[1:3], inodes[0], 99999, inodes[4]]
    for i, n in enumerate(numbers):
        name = b"m%d" % i
        kinds = S4 if i % 2 else S5
        mess = proper(b"mess", n)
        if i == 4:
            mess = b"mess/%d/%d" % (layout.split(n + 1), n)
        fs.link(b"pid/%d" % i, mess)
        fs.unlink(b"pid/%d" % i)
        for kind in kinds[1:]:
            if kind == b"intd":
                write(fs, proper(kind, n), content(name, kind))
                fs.link(proper(kind, n), proper(b"todo", n))
            elif kind != b"todo":
                write(fs, proper(kind, n), content(name, kind))
    write(fs, b"todo/77777", content(b"orphan", b"todo"))
    fs.make_safe()
    fs.calls.clear()
    return fs


def mend(fs: RepairCrashFs) -> list[str]:
    return [text for _, text in repair(fs, UIDS, fs.now)]


def cut_queues(first: int = 0, step: int = 1) -> Iterator[RepairCrashFs]:
    """Each disk after a power cut at every ``step``-th point of a repair."""
    for point in itertools.count(first, step):
        fs = copied_queue()
        fs.cut_after = point
        whole = False
        try:
            mend(fs)
            whole = True
        except PowerCut:
            pass
        for disk in fs.reboots(1):
            disk.__class__ = RepairCrashFs
            assert isinstance(disk, RepairCrashFs)
            yield disk
        if whole:
            return


def name_of(disk: CrashFs, path: bytes) -> bytes:
    """Which message a file is of."""
    data = disk.content(path)
    assert data is not None
    kind = path.partition(b"/")[0]
    for i in range(5):
        if data == content(b"m%d" % i, kind):
            return b"m%d" % i
    return data


def visible_trouble(disk: CrashFs) -> list[str]:
    """What qmail-send would see, were it started now: envelope and message agree."""
    found = []
    for n, files in Survey(disk).messages.items():
        seen = b"todo" in files or b"info" in files
        if seen and n != 77777:
            names = {name_of(disk, path) for path in files.values()}
            if len(names) != 1 or b"mess" not in files:
                found.append(f"{n}: {sorted(files)} {names}")
    return found


def trouble_after_repair(disk: RepairCrashFs) -> list[str]:
    found = [f"{f.path!r} {f.what}" for f in inspect(disk, UIDS, disk.now)]
    messages = Survey(disk).messages
    names = sorted(name_of(disk, files[b"mess"]) for files in messages.values())
    if names != [b"m%d" % i for i in range(5)]:
        found.append(f"messages: {names}")
    for files in messages.values():
        if tuple(sorted(files)) not in (tuple(sorted(S4)), tuple(sorted(S5))):
            found.append(f"files: {sorted(files)}")
        if len({name_of(disk, path) for path in files.values()}) != 1:
            found.append(f"mixed: {files}")
    if disk.content(LOST + b"/todo-77777") != content(b"orphan", b"todo"):
        found.append("orphan lost")
    return found


@pytest.mark.parametrize("part", range(PARTS))
def test_repair_after_any_power_cut_goes_on_to_the_end(part: int) -> None:
    count = 0
    for disk in cut_queues(part, PARTS):
        count += 1
        assert visible_trouble(disk) == []
        mend(disk)
        assert trouble_after_repair(disk) == []
        assert STAGE not in disk.listdir(b".")
    assert count > 150 // PARTS


def test_repair_of_a_mended_queue_changes_nothing() -> None:
    fs = copied_queue()
    assert len(mend(fs)) == 6
    fs.calls.clear()
    assert mend(fs) == []
    assert fs.calls == []


def test_repair_without_directory_fsync_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unsynced(path: bytes, fs: Fs) -> None:
        """A sync_dir that only looks like one."""

    monkeypatch.setattr(renumber, "sync_dir", unsynced)
    found: list[str] = []
    for disk in cut_queues():
        found += visible_trouble(disk)
        mend(disk)
        found += trouble_after_repair(disk)
        if found:
            return
    raise AssertionError("nothing found")


@pytest.mark.parametrize("point", range(1, 60, 7))
def test_repair_that_fails_is_done_again(point: int) -> None:
    fs = copied_queue()
    fs.fail_at = (point, 5)
    with pytest.raises(OSError, match="Input/output error"):
        mend(fs)
    assert visible_trouble(fs) == []
    fs.fail_at = None
    mend(fs)
    assert trouble_after_repair(fs) == []
    assert fs.opened == {}


def without_sender() -> RepairCrashFs:
    """A message in no state: nothing says from whom it is."""
    fs = RepairCrashFs(DIRECTORIES)
    n = write(fs, b"pid/1", content(b"m0", b"mess"))
    fs.link(b"pid/1", proper(b"mess", n))
    fs.unlink(b"pid/1")
    for kind in (b"local", b"bounce"):
        write(fs, proper(kind, n), content(b"m0", kind))
    fs.make_safe()
    return fs


def test_message_goes_to_lost_whole_after_any_power_cut() -> None:
    """A part alone in mess/ would be one being written, and removed by a sweep."""
    for point in range(1000):
        fs = without_sender()
        fs.cut_after = point
        whole = False
        try:
            mend(fs)
            whole = True
        except PowerCut:
            pass
        for disk in fs.reboots(1):
            disk.__class__ = RepairCrashFs
            assert isinstance(disk, RepairCrashFs)
            mend(disk)
            assert len(disk.listdir(LOST)) == 3
            assert Survey(disk).messages == {}
        if whole:
            assert point > 5
            return
