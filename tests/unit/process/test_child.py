"""Forks: statuses, signals at the worst moment, and nothing left over."""

from __future__ import annotations

import errno
import os
import posix
import select
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from pytools.base import signals
from pytools.base.exits import Exit, Next
from pytools.process import child
from tests.support.leftovers import nothing_left_over


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No child and no descriptor is left over."""
    with nothing_left_over():
        yield


def wait_for_the_end() -> int:
    """Until a signal ends it."""
    select.select([], [], [], 30)
    return 0


def with_stderr(path: Path, body: object) -> object:
    """``body`` with descriptor 2 in a file."""

    def changed() -> int:
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        assert callable(body)
        return int(body())

    return changed


def ends(body: object, path: Path) -> tuple[int, bytes]:
    """(exit status, what was written to descriptor 2) of a child."""
    run = with_stderr(path, body)
    assert callable(run)
    status = os.waitstatus_to_exitcode(child.wait_for(child.fork(run)))
    return status, path.read_bytes()


def raises(error: BaseException) -> object:
    def body() -> NoReturn:
        raise error

    return body


@pytest.mark.parametrize(("value", "status"), [(0, 0), (111, 111), (256 + 7, 7)])
def test_status_is_what_the_body_returns(
    tmp_path: Path, value: int, status: int
) -> None:
    assert ends(lambda: value, tmp_path / "err") == (status, b"")


def test_exit_ends_with_its_code_and_text(tmp_path: Path) -> None:
    assert ends(raises(Exit(100)), tmp_path / "a") == (100, b"")
    assert ends(raises(Exit(3, b"x \xff")), tmp_path / "b") == (3, b"x \xff\n")


@pytest.mark.parametrize(
    "error",
    [ZeroDivisionError("oh"), KeyboardInterrupt(), SystemExit(0), MemoryError()],
)
def test_other_exception_leaves_a_trace_and_111(
    tmp_path: Path, error: BaseException
) -> None:
    status, text = ends(raises(error), tmp_path / "err")
    assert status == 111
    assert text.startswith(b"Traceback ")
    assert type(error).__name__.encode() in text.splitlines()[-1]


@pytest.mark.parametrize("numbers", [(0, 1, 2), (1, 2)], ids=["peer", "log"])
def test_trace_is_not_shown_to_a_peer(numbers: tuple[int, ...]) -> None:
    """As it is behind qmail-popup; a socket that is not descriptor 0 may be a log."""
    ours, theirs = socket.socketpair()
    nothing = os.open(os.devnull, os.O_RDONLY)

    def body() -> int:
        os.dup2(nothing, 0)
        for number in numbers:
            os.dup2(theirs.fileno(), number)
        raise ZeroDivisionError("oh")

    pid = child.fork(body)
    theirs.close()
    os.close(nothing)
    assert os.waitstatus_to_exitcode(child.wait_for(pid)) == 111
    with ours:
        assert bool(ours.recv(65536)) == (numbers == (1, 2))


def test_next_that_cannot_be_found_is_fatal_in_djb_s_words(tmp_path: Path) -> None:
    status, text = ends(raises(Next([b"/nosuch/program"])), tmp_path / "err")
    assert status == 111
    end = b"fatal: unable to run /nosuch/program: file does not exist\n"
    assert text.endswith(end)


def test_next_that_cannot_be_found_ends_as_its_owner_wants(tmp_path: Path) -> None:
    def worded(error: OSError) -> Exit:
        return Exit(81, errno.errorcode[error.errno or 0].encode())

    following = Next([b"/nosuch/program"], on_error=worded)
    assert ends(raises(following), tmp_path / "err") == (81, b"ENOENT\n")


def test_next_execs_a_foreign_program_with_words_and_environment(
    tmp_path: Path,
) -> None:
    script = b'echo "$0 $A" >&2; exit 9'
    following = Next([b"sh", b"-c", script, b"zero"], {b"A": b"b"}, b"/bin/sh")
    assert ends(raises(following), tmp_path / "err") == (9, b"zero b\n")


def test_child_leaves_by_exit_without_the_parent_s_cleaning(tmp_path: Path) -> None:
    def body() -> int:
        sys.stdout.write("what the parent had buffered is not written twice")
        return 0

    try:
        assert ends(body, tmp_path / "err") == (0, b"")
    finally:
        assert not (tmp_path / "never").exists()


def test_signal_at_the_first_moment_kills_the_child_and_leaves_the_parent() -> None:
    def scene() -> bytes:
        pipe = signals.SelfPipe([signals.SIGTERM])
        killed = 0
        for _ in range(60):
            pid = child.fork(wait_for_the_end)
            os.kill(pid, signal.SIGTERM)
            killed += child.wait_for(pid) == signal.SIGTERM
        return repr((killed, pipe.drain())).encode()

    # A handler of the parent's that ran in a child would write into the shared pipe.
    assert child.in_child(scene) == b"(60, [])"


def test_child_has_default_handlers_the_parent_s_mask_and_no_wakeup() -> None:
    def scene() -> bytes:
        signals.SelfPipe([signals.SIGTERM, signals.SIGCHLD])
        signals.ignore(signals.SIGHUP)
        mask = signals.block([signals.SIGUSR1])

        def state() -> bytes:
            found = [signal.getsignal(n) for n in (15, 17, 1)]
            same = signals.block([]) == mask | {10}
            return repr((found, same, signal.set_wakeup_fd(-1))).encode()

        return child.in_child(state)

    expected = [signal.SIG_DFL, signal.SIG_DFL, signal.SIG_IGN]
    assert child.in_child(scene) == repr((expected, True, -1)).encode()


def test_mask_of_the_parent_is_as_before_after_a_fork() -> None:
    before = signals.block([])
    child.wait_for(child.fork(lambda: 0))
    assert signals.block([]) == before


def test_reap_gives_every_ended_child_once() -> None:
    def scene() -> bytes:
        assert child.reap() == []

        def ending(status: int) -> int:
            return child.fork(lambda: status)

        def hold() -> int:
            os.close(hold_write)
            return len(os.read(hold_read, 1))

        pids = [ending(status) for status in range(5)]
        hold_read, hold_write = os.pipe()
        waiting = child.fork(hold)
        found: dict[int, int] = {}
        while len(found) < 5:
            found.update(child.reap())
        statuses = [os.waitstatus_to_exitcode(found[pid]) for pid in pids]
        assert child.reap() == []
        os.close(hold_write)
        assert child.wait_for(waiting) == 0
        return repr(statuses).encode()

    assert child.in_child(scene) == b"[0, 1, 2, 3, 4]"


@pytest.mark.parametrize("size", [0, 1, 1_000_000])
def test_in_child_gives_back_the_bytes(size: int) -> None:
    assert child.in_child(lambda: bytes(size)) == bytes(size)


@pytest.mark.parametrize(
    "error", [Exit(1), ZeroDivisionError(), OSError(errno.ENOENT, "")], ids=repr
)
def test_in_child_that_fails_is_an_error(error: Exception) -> None:
    def work() -> bytes:
        os.dup2(os.open("/dev/null", os.O_WRONLY), 2)
        raise error

    with pytest.raises(OSError, match="look-up failed"):
        child.in_child(work)


def test_in_child_that_is_killed_is_an_error() -> None:
    def work() -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        return b"never"

    with pytest.raises(OSError, match="look-up failed"):
        child.in_child(work)


def test_fork_refused_by_the_system_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, "")

    before = signals.block([])
    monkeypatch.setattr(posix, "fork", refuse)
    with pytest.raises(BlockingIOError):
        child.in_child(lambda: b"")
    with pytest.raises(BlockingIOError):
        child.fork(lambda: 0)
    assert signals.block([]) == before
