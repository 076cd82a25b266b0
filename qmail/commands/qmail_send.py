"""qmail-send: deliver the messages of the queue.

Contract     no arguments. Descriptor 0 is the log (written!), 1 and 2 lead to and from
             qmail-lspawn, 3 and 4 qmail-rspawn, 5 and 6 qmail-clean. Runs as qmails.
Exit         0 after TERM, 111 when it cannot start.
"""

from __future__ import annotations

import posix
import time

from pytools.base import runtime
from pytools.base.fds import set_cloexec
from pytools.base.locks import lock_ex_nb
from pytools.base.signals import SIGCHLD, SIGPIPE, SelfPipe, ignore, set_default
from qmail.queue import layout
from qmail.send import controls as control_files
from qmail.send.bounces import Bounces
from qmail.send.cleaner import CLEAN_IN_FD, CLEAN_OUT_FD, CleanerLink
from qmail.send.log import Log
from qmail.send.loop import SIGNALS, Loop, find_messages, save_times
from qmail.send.preprocess import Preprocessor
from qmail.send.scheduler import Scheduler
from qmail.send.spawner import SpawnerLink
from qmail.send.sweep import Sweep
from qmail.send.todo import Todo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qmail.send.controls import Controls

LSPAWN_FDS = (1, 2)
RSPAWN_FDS = (3, 4)
ALIVE_FD = 7
"""Where qmail-start has put the pipe whose end of file ends its qmail-queued."""
CANNOT_START = 111


class CannotStart(Exception):
    """Why qmail-send gives up before it has begun."""


def main(argv: list[bytes]) -> int:
    """Run the scheduler."""
    log = Log()
    try:
        _send(log)
    except CannotStart as why:
        log.alert(b"cannot start: " + why.args[0])
        return CANNOT_START
    except Exception as bug:
        # Descriptor 2 belongs to qmail-lspawn here, so the runner's trace would go
        # nowhere: at least the log says why.
        log.alert(b"internal error: %b; dying" % repr(bug).encode("ascii", "replace"))
        raise
    return 0


def _send(log: Log) -> None:
    home = runtime.home
    controls = _enter(home)
    ignore(SIGPIPE)
    set_default(SIGCHLD)
    signals = SelfPipe(SIGNALS)
    posix.umask(0o077)
    _keep_companions()
    _lock()
    limits = [_spawn_limit(LSPAWN_FDS[1]), _spawn_limit(RSPAWN_FDS[1])]
    local, remote = map(min, limits, controls.concurrency)
    spawners = (
        SpawnerLink(*LSPAWN_FDS, local, log),
        SpawnerLink(*RSPAWN_FDS, remote, log),
    )
    cleaner = CleanerLink(log)
    scheduler = Scheduler(controls, spawners, cleaner, Bounces(controls, log), log)
    find_messages(scheduler, log)
    scheduler.log_status()
    now = int(time.time())
    preprocessor = Preprocessor(controls.rewriter, log)
    todo, sweep = Todo(now, log), Sweep(now, log)
    Loop(
        *(home, controls, spawners, cleaner, scheduler),
        *(preprocessor, todo, sweep, signals, log),
    ).run()
    save_times(scheduler, log)
    log.line(b"status: exiting")
    log.flush()


def _enter(home: bytes) -> Controls:
    """Read the controls and go to the queue."""
    try:
        posix.chdir(home)
    except OSError:
        raise CannotStart(b"unable to switch to home directory") from None
    try:
        controls = control_files.read()
    except (OSError, control_files.Unusable):
        raise CannotStart(b"unable to read controls") from None
    try:
        posix.chdir(layout.QUEUE)
    except OSError:
        raise CannotStart(b"unable to switch to queue directory") from None
    return controls


def _keep_companions() -> None:
    """Let no program that queues a bounce hold the pipes to the companions.

    COMPAT: the original lets it. What such a program leaves in the background would
    keep qmail-rspawn and qmail-clean from noticing that qmail-send has ended. 2 stays:
    it takes the place of a descriptor for errors there.
    """
    for fd in (*RSPAWN_FDS, CLEAN_OUT_FD, CLEAN_IN_FD, ALIVE_FD):
        try:
            set_cloexec(fd)
        except OSError:
            pass  # a caller that is no qmail-start may have opened fewer


def _lock() -> None:
    """There is one qmail-send a queue: hold the lock until the end of the process."""
    try:
        fd = posix.open(
            layout.LOCK, posix.O_WRONLY | posix.O_NONBLOCK | posix.O_CLOEXEC
        )
    except OSError:
        raise CannotStart(b"unable to open mutex") from None
    try:
        lock_ex_nb(fd)
    except OSError:
        raise CannotStart(b"qmail-send is already running") from None


def _spawn_limit(fd: int) -> int:
    """The first byte of a spawner: how many deliveries it can handle at once."""
    try:
        greeting = posix.read(fd, 1)
    except OSError:
        greeting = b""
    if not greeting:
        raise CannotStart(b"a spawner did not say its limit")
    return greeting[0]
