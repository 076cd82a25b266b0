"""multilog dies at every point of its work, and starts again: no line is lost."""

from __future__ import annotations

import errno
import posix
from collections.abc import Callable, Iterator

import pytest

from pytools.multilog.directory import LogDirectory
from pytools.multilog.files import TRUNCATE
from pytools.multilog.script import DirectorySpec
from tests.crash.multilog_fs import START, Crash, LogDisk

LINES = [b"%03d %s\n" % (n, b"x" * 700) for n in range(8)]
INPUT = b"".join(LINES)


class Stamps:
    """Ascending stamps that go on after a restart."""

    def __init__(self) -> None:
        self.last = 0

    def __call__(self) -> bytes:
        self.last += 1
        return b"%024x" % self.last


def no_pause(seconds: int) -> None:
    raise AssertionError("nothing fails on this disk")


def copier(disk: LogDisk) -> Callable[[bytes], int]:
    """A processor that changes nothing, and keeps a state."""

    def run(command: bytes) -> int:
        previous = disk.read(disk.open(b"previous", posix.O_RDONLY), 65536)
        disk.write(disk.open(b"processed", TRUNCATE, 0o644), previous)
        state = disk.read(disk.open(b"state", posix.O_RDONLY), 65536)
        disk.write(disk.open(b"newstate", TRUNCATE, 0o644), state + b"+")
        return 0

    return run


def opened(disk: LogDisk, processor: bytes | None, stamps: Stamps) -> LogDirectory:
    return LogDirectory(
        DirectorySpec(b"./log", 4096, 100, processor),
        START,
        fs=disk,
        pause=no_pause,
        run=copier(disk),
        take_lock=lambda fd: None,
        stamp=stamps,
    )


class Work:
    """Logs INPUT, and knows what must survive what."""

    def __init__(self, processor: bytes | None) -> None:
        self.processor = processor
        self.stamps = Stamps()
        self.safe = 0
        """So many bytes must survive a power cut."""

    def run(self, disk: LogDisk) -> None:
        log = opened(disk, self.processor, self.stamps)
        done = 0
        for line in LINES:
            log.append(line)
            done += len(line)
            if not disk.stat(b"current").st_size:
                self.safe = done
        log.close()
        self.safe = done

    def crashed_at(self, point: int) -> LogDisk | None:
        """The disk at that point; None when the work was done before."""
        disk = LogDisk()
        disk.crash_at = point
        try:
            self.run(disk)
        except Crash:
            return disk
        return None


def crashes(processor: bytes | None) -> Iterator[tuple[Work, LogDisk]]:
    point = 0
    while True:
        work = Work(processor)
        disk = work.crashed_at(point)
        if disk is None:
            assert point > 30
            return
        yield work, disk
        point += 1


def content(disk: LogDisk) -> bytes:
    """All logs, oldest first."""
    names = [*sorted(n for n in disk.names if n[:1] == b"@"), b"current"]
    return b"".join(disk.names[name].data for name in names if name in disk.names)


def restarted(work: Work, disk: LogDisk) -> bytes:
    disk.crash_at = -1
    opened(disk, work.processor, work.stamps)
    assert not disk.names.keys() & {b"previous", b"processed"}
    assert disk.names[b"current"].st_mode == 0o644
    return content(disk)


def lost(text: bytes, safe: int, secured: set[bytes]) -> list[bytes]:
    """Lines that rotate answered for, or that were on disk once, and are gone."""
    must = set(INPUT[:safe].splitlines(True)) | secured.intersection(LINES)
    return [line for line in LINES if line in must and line not in text]


PROCESSORS = pytest.mark.parametrize("processor", [None, b"cat"], ids=["plain", "cmd"])


@PROCESSORS
def test_kill_anywhere_then_restart_keeps_each_line_once(
    processor: bytes | None,
) -> None:
    for work, disk in crashes(processor):
        written = work_written(disk)
        assert restarted(work, disk.after_kill()) == INPUT[:written]


def work_written(disk: LogDisk) -> int:
    """How many bytes of the input had been written: whatever is found in a log."""
    last = max((n for n, line in enumerate(LINES) if found(disk, line)), default=-1)
    return sum(map(len, LINES[: last + 1]))


def found(disk: LogDisk, line: bytes) -> bool:
    return any(line in file.data for file in disk.names.values())


@PROCESSORS
def test_power_cut_anywhere_then_restart_keeps_rotated_lines(
    processor: bytes | None,
) -> None:
    for work, disk in crashes(processor):
        for left in disk.after_power_cut():
            assert lost(restarted(work, left), work.safe, left.secured) == []


@PROCESSORS
def test_crash_in_the_restart_after_a_crash_keeps_rotated_lines(
    processor: bytes | None,
) -> None:
    for work, disk in crashes(processor):
        point = 0
        while True:
            again = disk.after_kill()
            again.crash_at = again.steps + point
            try:
                opened(again, processor, work.stamps)
            except Crash:
                pass
            else:
                break
            for left in again.after_power_cut():
                assert lost(restarted(work, left), work.safe, left.secured) == []
            written = work_written(again)
            assert restarted(work, again.after_kill()) == INPUT[:written]
            point += 1


def test_power_cut_in_the_work_after_a_crash_keeps_rotated_lines() -> None:
    more = [b"m%02d %s\n" % (n, b"x" * 700) for n in range(4)]
    for work, disk in crashes(b"cat"):
        point = 0
        while True:
            again = disk.after_kill()
            again.crash_at = again.steps + point
            try:
                log = opened(again, b"cat", work.stamps)
                for line in more:
                    log.append(line)
            except Crash:
                pass
            else:
                break
            # PERF: without the last changes, or with them alone, is enough here.
            for left in [*again.after_power_cut()][::3]:
                text = restarted(work, left)
                assert lost(text, work.safe, left.secured) == []
                assert all(m in text for m in left.secured.intersection(more))
            point += 1


def test_disk_error_at_every_call_is_tried_again_and_loses_nothing() -> None:
    point = 0
    while True:
        disk = FailingDisk(point)
        pauses: list[int] = []
        log = LogDirectory(
            DirectorySpec(b"./log", 4096, 100, None),
            START,
            fs=disk,
            pause=pauses.append,
            take_lock=lambda fd: None,
            stamp=Stamps(),
        )
        disk.armed = True
        for line in LINES:
            log.append(line)
        log.close()
        assert content(disk) == INPUT
        if not disk.failed:
            assert point > 15
            return
        assert pauses == [5]
        point += 1


class NetworkDisk(LogDisk):
    """What is closed is reported as broken, as FUSE and NFS may do."""

    def close(self, fd: int, /) -> None:
        raise OSError(errno.EIO, "broken")


@PROCESSORS
def test_close_that_fails_is_nothing_to_a_log(processor: bytes | None) -> None:
    disk = NetworkDisk()
    Work(processor).run(disk)
    assert content(disk) == INPUT


def test_close_that_fails_is_nothing_to_a_start_after_a_crash() -> None:
    for work, disk in crashes(b"cat"):
        again = NetworkDisk()
        again.__dict__.update(disk.after_kill().__dict__)
        written = work_written(disk)
        assert restarted(work, again) == INPUT[:written]


class FailingDisk(LogDisk):
    """The change number ``fail_at`` after arming fails once."""

    def __init__(self, fail_at: int) -> None:
        super().__init__()
        self.fail_at = fail_at
        self.armed = self.failed = False

    def _step(self) -> None:
        if self.armed and not self.failed:
            if not self.fail_at:
                self.failed = True
                raise OSError(errno.ENOSPC, "full")
            self.fail_at -= 1
