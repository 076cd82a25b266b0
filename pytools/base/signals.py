"""Signals, without the cost of the ``signal`` module; the only file that touches them.

A handler never decides anything: a signal becomes a byte in a pipe, and the poll loop
reads it (``SelfPipe``). ``_signal`` is the C half of the standard ``signal`` module;
the Python half imports ``enum``, 3 to 8 ms of every start.
"""

from __future__ import annotations

import _signal
import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SIGHUP = 1
SIGINT = 2
SIGQUIT = 3
SIGKILL = 9
SIGUSR1 = 10
SIGUSR2 = 12
SIGPIPE = 13
SIGALRM = 14
SIGTERM = 15
SIGCHLD = 17
SIGCONT = 18
SIGSTOP = 19
SIGXFSZ = 25

_LAST = 64
_DFL = int(_signal.SIG_DFL)
_IGN = int(_signal.SIG_IGN)


def set_default(number: int) -> None:
    """Give the signal its default action."""
    _signal.signal(number, _signal.SIG_DFL)


def ignore(number: int) -> None:
    """Ignore the signal; an ignored signal stays ignored across exec."""
    _signal.signal(number, _signal.SIG_IGN)


def catch(number: int, handler: Callable[[int, object], None]) -> None:
    """Call ``handler`` between two bytecodes after the signal came."""
    _signal.signal(number, handler)


def is_ignored(number: int) -> bool:
    """True while the signal is ignored."""
    return bool(_signal.getsignal(number) == _IGN)


def alarm(seconds: int) -> None:
    """Have SIGALRM sent in that many seconds; 0 takes it back."""
    _signal.alarm(seconds)


def block(numbers: Iterable[int]) -> set[int]:
    """Block the signals; gives back the mask that was."""
    return {int(n) for n in _signal.pthread_sigmask(_signal.SIG_BLOCK, numbers)}


def unblock(numbers: Iterable[int]) -> set[int]:
    """Unblock the signals; gives back the mask that was."""
    return {int(n) for n in _signal.pthread_sigmask(_signal.SIG_UNBLOCK, numbers)}


def set_mask(numbers: Iterable[int]) -> None:
    """Make these the blocked signals."""
    _signal.pthread_sigmask(_signal.SIG_SETMASK, numbers)


ALL = frozenset(range(1, _LAST + 1)) - {SIGKILL, SIGSTOP, 32, 33}
"""Every signal a program may block (32 and 33 belong to the C library)."""


def default_caught() -> None:
    """What exec does: caught signals to their default action, ignored ones stay.

    INVARIANT: also takes the wakeup descriptor off, so that no signal of a child writes
    into its parent's pipe.
    """
    _signal.set_wakeup_fd(-1)
    for number in ALL:
        action = _signal.getsignal(number)
        if action is not None and action not in (_DFL, _IGN):
            _signal.signal(number, _signal.SIG_DFL)


def ignored() -> frozenset[int]:
    """The signals that are ignored."""
    return frozenset(number for number in ALL if is_ignored(number))


def restore(ignored: frozenset[int]) -> None:
    """Have exactly these ignored, and every other at its default action."""
    _signal.set_wakeup_fd(-1)
    for number in ALL:
        wanted = _IGN if number in ignored else _DFL
        action = _signal.getsignal(number)
        if action is not None and action != wanted:
            _signal.signal(number, wanted)


def undo_interpreter() -> None:
    """Put back what CPython changed when it started: PIPE, XFSZ, INT.

    COMPAT: CPython overwrites PIPE and XFSZ before any of our code runs, so a program
    that is exec'ed with one of them ignored gets the default instead.
    """
    set_default(SIGPIPE)
    set_default(SIGXFSZ)
    if _signal.getsignal(SIGINT) is _signal.default_int_handler:
        set_default(SIGINT)


def _noted(number: int, frame: object) -> None:
    # The wakeup descriptor has the byte already.
    pass


class SelfPipe:
    """Signals as bytes in a pipe: poll ``fd``, then ``drain``.

    Signals that whoever started us left blocked are unblocked: they are waited for.

    One a process at a time. ``close`` gives the signals their default action.
    """

    __slots__ = ("_signals", "_write", "fd")

    def __init__(self, numbers: Iterable[int]) -> None:
        self.fd, self._write = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
        self._signals = tuple(numbers)
        _signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in self._signals:
            _signal.signal(number, _noted)
            # A system call that a signal interrupts goes on (PEP 475), the loop learns
            # of the signal from the pipe.
        unblock(self._signals)

    def drain(self) -> list[int]:
        """The numbers of the signals that came since the last call."""
        try:
            return list(posix.read(self.fd, 4096))
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Take the handlers and the pipe away."""
        _signal.set_wakeup_fd(-1)
        for number in self._signals:
            set_default(number)
        posix.close(self.fd)
        posix.close(self._write)
