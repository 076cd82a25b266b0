"""qmail-clean: removes files of the queue for qmail-send, which may not.

Contract     commands ``foop/N`` and ``todo/N``, each ended by NUL, on descriptor 0; one
             byte for each on descriptor 1: ``+`` done, ``!`` failed, ``x`` malformed.
             Nothing is done for a qmail-send that is gone: exit 100.
COMPAT: the original answers ``x`` to what follows a number and then obeys, and twice to
what is no number, so that every later answer belongs to another command.
Runs as      qmailq.
"""

from __future__ import annotations

import posix
import select
import time

from pytools.base import runtime, signals
from pytools.base.exits import Exit
from qmail.queue.clean import COMMAND_MAX, COMMANDS_PER_SWEEP, Cleaner

_CHUNK = 4096


def main(argv: list[bytes]) -> int:
    try:
        posix.chdir(runtime.home)
        posix.chdir(b"queue")
    except OSError:
        return 111
    signals.ignore(signals.SIGPIPE)
    cleaner = Cleaner()
    cleaner.sweep_pid(time.time())
    answers = select.poll()
    answers.register(1, 0)
    countdown = COMMANDS_PER_SWEEP
    rest = b""
    while chunk := _read():
        commands = (rest + chunk).split(b"\0")
        # Of a command that is too long, as much is kept as shows it.
        rest = commands.pop()[:COMMAND_MAX]
        for command in commands:
            if _is_alone(answers):
                raise Exit(100)
            _answer(cleaner.obey(command))
            countdown -= 1
            if not countdown:
                cleaner.sweep_pid(time.time())
                countdown = COMMANDS_PER_SWEEP
    return 0


def _is_alone(answers: select.poll) -> bool:
    """True when nobody reads the answers any more.

    COMPAT: the original obeys once more and finds out by its answer. A command that has
    waited here (on a disk that hung, say) while the next qmail-send began may be about a
    number that is another message's by now.
    """
    return any(
        event & (select.POLLERR | select.POLLHUP) for _, event in answers.poll(0)
    )


def _read() -> bytes:
    try:
        return posix.read(0, _CHUNK)
    except OSError:
        return b""


def _answer(answer: bytes) -> None:
    try:
        posix.write(1, answer)
    except OSError:
        raise Exit(100) from None
