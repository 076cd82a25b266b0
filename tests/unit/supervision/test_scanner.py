"""svscan's passes with pretended processes: who is started when, and who is forgotten."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pytools.base.exits import Strerr
from pytools.supervision import scanner
from pytools.supervision.scanner import Scanner


class World:
    """A scanner whose forks give numbers and whose dead are told to it."""

    def __init__(self) -> None:
        self.started = 0
        self.refusals = 0
        self.dead: list[tuple[int, int]] = []
        self.now = 1000.0
        self.scanner = Scanner(
            Strerr(b"svscan"), fork=self.fork, reap=self.reap, clock=lambda: self.now
        )

    def fork(self, body: Callable[[], int]) -> int:
        if self.refusals:
            self.refusals -= 1
            raise BlockingIOError(11, "no process")
        self.started += 1
        return 1000 + self.started

    def reap(self) -> list[tuple[int, int]]:
        dead, self.dead = self.dead, []
        return dead

    def pids(self) -> list[tuple[int, int]]:
        return sorted((s.main.pid, s.log.pid) for s in self.scanner.services.values())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    return World()


def test_scan_again_starts_nothing_twice(world: World) -> None:
    Path("a/log").mkdir(parents=True)
    Path("b").mkdir()
    world.scanner.scan()
    world.scanner.scan()
    assert world.started == 3


def test_scan_skips_dots_and_files(world: World) -> None:
    Path(".a").mkdir()
    Path("file").touch()
    world.scanner.scan()
    assert world.started == 0


def test_scan_dead_half_is_started_alone(world: World) -> None:
    Path("a/log").mkdir(parents=True)
    world.scanner.scan()
    assert world.pids() == [(1001, 1002)]
    world.dead = [(1002, 0)]
    world.scanner.scan()
    assert world.pids() == [(1001, 1003)]


def test_scan_unknown_dead_changes_nothing(world: World) -> None:
    Path("a").mkdir()
    world.scanner.scan()
    world.dead = [(77, 0)]
    world.scanner.scan()
    assert world.pids() == [(1001, 0)]


def test_scan_log_that_came_later_is_not_seen(world: World) -> None:
    Path("a").mkdir()
    world.scanner.scan()
    Path("a/log").mkdir()
    world.scanner.scan()
    assert world.pids() == [(1001, 0)]


def test_scan_gone_entry_is_forgotten_with_its_pipe_when_both_are_dead(
    world: World,
) -> None:
    Path("a/log").mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))
    world.scanner.scan()
    assert len(os.listdir("/proc/self/fd")) == before + 2
    os.rename("a", ".a")
    world.dead = [(1001, 0)]
    world.scanner.scan()
    assert world.pids() == [(0, 1002)]
    assert len(os.listdir("/proc/self/fd")) == before + 2
    world.dead = [(1002, 0)]
    world.scanner.scan()
    assert world.pids() == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_scan_renamed_entry_is_the_same_service(world: World) -> None:
    Path("a").mkdir()
    world.scanner.scan()
    os.rename("a", "b")
    world.scanner.scan()
    assert world.pids() == [(1001, 0)]


def test_scan_two_names_are_one_service(world: World) -> None:
    Path("a").mkdir()
    os.symlink("a", "b")
    world.scanner.scan()
    assert world.started == 1


def test_scan_refused_fork_warns_and_is_tried_again(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("a/log").mkdir(parents=True)
    world.refusals = 1
    world.scanner.scan()
    # The log waits for its service, as in the original.
    assert world.pids() == [(0, 0)]
    assert "svscan: warning: unable to fork for a: " in capfd.readouterr().err
    world.scanner.scan()
    assert world.pids() == [(1001, 1002)]


def test_scan_over_the_limit_warns(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scanner, "MAX_SERVICES", 1)
    Path("a").mkdir()
    Path("b").mkdir()
    world.scanner.scan()
    assert world.started == 1
    assert ": running too many services\n" in capfd.readouterr().err


def test_scan_unreadable_log_is_tried_again(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("a").mkdir()
    os.symlink("log", "a/log")
    world.scanner.scan()
    assert world.started == 0
    expected = "svscan: warning: unable to stat a/log: symbolic link loop\n"
    assert capfd.readouterr().err == expected
    os.unlink("a/log")
    world.scanner.scan()
    assert world.pids() == [(1001, 0)]


def test_scan_lost_directory_warns_and_keeps_everything(
    world: World, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a").mkdir()
    world.scanner.scan()

    def broken(path: bytes) -> list[bytes]:
        raise OSError(5, "broken")

    monkeypatch.setattr("posix.listdir", broken)
    world.dead = [(1001, 0)]
    world.scanner.scan()
    assert world.pids() == [(1002, 0)]
    expected = "svscan: warning: unable to read directory: input/output error\n"
    assert capfd.readouterr().err == expected


def test_scan_lost_directory_what_was_gone_before_ends_for_good(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a/log").mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))
    world.scanner.scan()
    os.rename("a", ".a")
    world.scanner.scan()
    with monkeypatch.context() as patch:
        patch.setattr("posix.listdir", lambda _: os.stat("/nonexistent"))
        world.dead = [(1001, 0), (1002, 0)]
        world.scanner.scan()
    assert world.pids() == []
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("free", [2, 3])
def test_scan_pipes_leave_a_descriptor_free(
    world: World, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    Path("a/log").mkdir(parents=True)
    with only_free(free):
        world.scanner.scan()
        os.close(os.open(".", os.O_RDONLY))
    assert world.pids() == ([(1001, 1002)] if free > 2 else [])


@contextmanager
def only_free(count: int) -> Iterator[None]:
    """So many descriptors can be opened in here."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = max(map(int, os.listdir("/proc/self/fd"))) + 1 + count
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limits[1]))
    taken = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        for _ in range(count):
            os.close(taken.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for fd in taken:
            os.close(fd)


class Leftover:
    """A supervise of an earlier svscan: the reader of supervise/ok."""

    def __init__(self, directory: str) -> None:
        os.makedirs(f"{directory}/supervise")
        os.mkfifo(f"{directory}/supervise/ok")
        path = f"{directory}/supervise/ok"
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def end(self) -> None:
        os.close(self._fd)


def warning(what: str) -> str:
    return f"svscan: warning: {what} is supervised by another svscan's supervise\n"


def test_scan_leftover_pair_is_waited_for_until_both_have_ended(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    service, log = Leftover("a"), Leftover("a/log")
    Path("b").mkdir()
    world.scanner.scan()
    world.scanner.scan()
    assert world.pids() == [(0, 0), (1001, 0)]
    assert capfd.readouterr().err == warning("a")
    service.end()
    world.scanner.scan()
    world.scanner.scan()
    assert world.pids() == [(0, 0), (1001, 0)]
    assert capfd.readouterr().err == warning("a/log")
    log.end()
    world.scanner.scan()
    assert world.pids() == [(1001, 0), (1002, 1003)]
    assert capfd.readouterr().err == ""


def test_scan_leftover_service_whose_log_ended_gets_no_log_on_another_pipe(
    world: World,
) -> None:
    service, log = Leftover("a"), Leftover("a/log")
    log.end()
    world.scanner.scan()
    assert world.pids() == [(0, 0)]
    service.end()
    world.scanner.scan()
    assert world.pids() == [(1001, 1002)]


def test_scan_own_dead_supervise_comes_back_while_its_log_runs(world: World) -> None:
    Path("a/log").mkdir(parents=True)
    world.scanner.scan()
    log = Leftover("a/log")  # that is ours, it was started just now
    world.dead = [(1001, 0)]
    world.scanner.scan()
    assert world.pids() == [(1003, 1002)]
    log.end()


def test_scan_what_is_no_fifo_is_no_supervise(world: World) -> None:
    Path("a/supervise").mkdir(parents=True)
    Path("a/supervise/ok").touch()
    world.scanner.scan()
    assert world.pids() == [(1001, 0)]


def test_scan_looks_for_leftovers_only_before_the_first_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a").mkdir()
    world.scanner.scan()
    monkeypatch.setattr(scanner, "_is_supervised", lambda _: pytest.fail("looked"))
    world.scanner.scan()
    world.dead = [(1001, 0)]
    world.scanner.scan()
    assert world.pids() == [(1002, 0)]


# Passes between the full ones.


def test_notice_link_starts_at_once(world: World, tmp_path: Path) -> None:
    Path(".target").mkdir()
    os.symlink(".target", "a")
    world.scanner.scan(is_full=False)
    assert world.started == 1


def test_notice_directory_that_is_being_filled_waits_for_a_full_pass(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long it takes to get there.
    monkeypatch.setattr(scanner, "INTERVAL_SECONDS", 600.0)
    Path("a").mkdir()
    world.scanner.scan(is_full=False)
    assert world.started == 0
    Path("a/log").mkdir()
    world.scanner.scan()
    assert world.pids() == [(1001, 1002)]


def test_notice_directory_moved_in_starts_at_once(world: World) -> None:
    Path("a").mkdir()
    os.utime("a", (1, 1))
    world.scanner.scan(is_full=False)
    assert world.pids() == [(1001, 0)]


def test_notice_entry_gone_meanwhile_is_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a").mkdir()
    monkeypatch.setattr("posix.lstat", lambda _: os.stat("/nonexistent"))
    world.scanner.scan(is_full=False)
    assert world.started == 0


def test_bury_one_that_lived_is_due_a_second_later(world: World) -> None:
    Path("a").mkdir()
    world.scanner.scan()
    world.now += 100
    world.dead = [(1001, 0)]
    world.scanner.bury()
    assert world.scanner.again_at == world.now + scanner.PAUSE_SECONDS
    # Another pass in between does not hurry it, nor forget it.
    world.scanner.scan(is_full=False)
    assert world.pids() == [(0, 0)]
    assert world.scanner.again_at == world.now + scanner.PAUSE_SECONDS
    world.now += scanner.PAUSE_SECONDS
    world.scanner.scan(is_full=False)
    assert world.pids() == [(1002, 0)]
    assert world.scanner.again_at == scanner.NEVER


def test_bury_one_that_died_young_waits_for_a_full_pass(world: World) -> None:
    Path("a").mkdir()
    world.scanner.scan()
    world.now += 1
    world.dead = [(1001, 0)]
    world.scanner.bury()
    assert world.scanner.again_at == scanner.NEVER
    world.now += 3
    world.scanner.scan(is_full=False)
    assert world.pids() == [(0, 0)]
    world.scanner.scan()
    assert world.pids() == [(1002, 0)]
