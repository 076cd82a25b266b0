"""Signals become bytes in a pipe; exec's rule about handlers."""

from __future__ import annotations

import os
import select
import signal

import pytest

from pytools.base import signals
from pytools.process.child import fork, in_child, wait_for


def said(work: list[str]) -> bytes:
    return repr(work).encode()


def test_signals_are_read_from_the_pipe_in_a_child() -> None:
    def work() -> bytes:
        pipe = signals.SelfPipe([signals.SIGTERM, signals.SIGHUP])
        found = [pipe.drain()]
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
        readable = bool(select.select([pipe.fd], [], [], 10)[0])
        found.append(sorted(pipe.drain()))
        pipe.close()
        closed = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        return repr((found, readable, closed)).encode()

    assert in_child(work) == repr(([[], [1, 15]], True, True)).encode()


def test_signals_that_were_left_blocked_are_heard() -> None:
    def work() -> bytes:
        signals.block([signals.SIGTERM])
        pipe = signals.SelfPipe([signals.SIGTERM])
        os.kill(os.getpid(), signal.SIGTERM)
        return b"%d" % len(select.select([pipe.fd], [], [], 10)[0])

    assert in_child(work) == b"1"


def test_flood_of_signals_does_not_block_nor_kill() -> None:
    def work() -> bytes:
        pipe = signals.SelfPipe([signals.SIGUSR1])
        for _ in range(70_000):
            os.kill(os.getpid(), signal.SIGUSR1)
        return b"%d" % set(pipe.drain()).pop()

    assert in_child(work) == b"10"


def test_caught_signals_are_defaulted_and_ignored_ones_stay() -> None:
    def work() -> bytes:
        signals.ignore(signals.SIGHUP)
        pipe = signals.SelfPipe([signals.SIGUSR1])
        signals.default_caught()
        assert signals.is_ignored(signals.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)
        read = pipe.drain()
        os.kill(os.getpid(), signal.SIGUSR1)
        return repr(read).encode()

    def body() -> int:
        work()
        return 0

    assert os.waitstatus_to_exitcode(wait_for(fork(body))) == -signal.SIGUSR1


def test_mask_is_given_back() -> None:
    def work() -> bytes:
        before = signals.block([signals.SIGUSR1])
        inside = signals.block([])
        signals.unblock([signals.SIGUSR1])
        after = signals.block([])
        return repr((inside - before, after == before)).encode()

    assert in_child(work) == repr(({10}, True)).encode()


@pytest.mark.parametrize("number", [signals.SIGPIPE, signals.SIGXFSZ, signals.SIGINT])
def test_what_the_interpreter_changed_is_put_back(number: int) -> None:
    def body() -> int:
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signals.undo_interpreter()
        return int(signal.getsignal(number) is not signal.SIG_DFL)

    assert wait_for(fork(body)) == 0


def test_interrupt_ignored_by_the_parent_stays_ignored() -> None:
    def body() -> int:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signals.undo_interpreter()
        return int(signal.getsignal(signal.SIGINT) is not signal.SIG_IGN)

    assert wait_for(fork(body)) == 0


def test_alarm_ends_a_process_that_does_not_catch_it() -> None:
    def body() -> int:
        signals.set_default(signals.SIGALRM)
        signals.unblock([signals.SIGALRM])
        signals.alarm(1)
        select.select([], [], [], 30)
        return 0

    assert os.waitstatus_to_exitcode(wait_for(fork(body))) == -signal.SIGALRM
