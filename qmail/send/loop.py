"""qmail-send's loop: what is ready, what is due, and nothing that waits.

Each turn    polls, takes signals, reports and answers, preprocesses a batch and a
             slice of a large envelope, fills the delivery slots, ends messages, sweeps
             a little, and writes what all of that has gathered for the log, the
             spawners and qmail-clean.
Blocks       on the log and on qmail-clean's pipe as the original does; while a bounce
             is queued; in the fsyncs of a batch.
"""

from __future__ import annotations

import posix
import select
import time

from pytools.base.signals import SIGALRM, SIGCHLD, SIGHUP, SIGTERM
from pytools.process.child import reap
from qmail.queue import layout
from qmail.send import controls as control_files
from qmail.send.cleaner import CLEAN_IN_FD
from qmail.send.schedule import FOREVER_SECONDS, FUZZ_SECONDS
from qmail.send.scheduler import CHANNELS
from qmail.send.sweep import numbers_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.signals import SelfPipe
    from qmail.send.cleaner import CleanerLink
    from qmail.send.controls import Controls
    from qmail.send.log import Log
    from qmail.send.preprocess import Preprocessor
    from qmail.send.scheduler import Scheduler
    from qmail.send.spawner import SpawnerLink
    from qmail.send.sweep import Sweep
    from qmail.send.todo import Todo

SIGNALS = (SIGTERM, SIGALRM, SIGHUP, SIGCHLD)


class Loop:
    """Everything that qmail-send juggles."""

    def __init__(
        self,
        home: bytes,
        controls: Controls,
        spawners: tuple[SpawnerLink, SpawnerLink],
        cleaner: CleanerLink,
        scheduler: Scheduler,
        preprocessor: Preprocessor,
        todo: Todo,
        sweep: Sweep,
        signals: SelfPipe,
        log: Log,
    ) -> None:
        self._home = home
        self._controls = controls
        self._spawners = spawners
        self._cleaner = cleaner
        self._scheduler = scheduler
        self._preprocessor = preprocessor
        self._todo = todo
        self._sweep = sweep
        self._signals = signals
        self._log = log

    def run(self) -> None:
        """Deliver mail until a TERM, or until a companion is lost."""
        # A child that qmail-start forked may have ended before SIGCHLD was caught.
        reap()
        while True:
            self._log.flush()
            if self._scheduler.is_over():
                self._todo.stop(self._preprocessor)
                return
            try:
                ready = self._poll()
            except OSError:
                self._log.warning(b"trouble in select")
                continue
            now = int(time.time())
            if self._signals.fd in ready:
                self._take_signals(now)
            self._take_messages(ready)
            if not self._scheduler.is_stopping():
                pulled = self._todo.trigger_fd in ready
                self._todo.run(now, pulled, self._preprocessor, self._cleaner)
                for qnum in self._todo.take_gone():
                    self._scheduler.find(qnum)
            self._cleaner.flush()
            self._scheduler.start_deliveries(now)
            self._scheduler.finish_messages(now, is_idle=not ready)
            if not self._scheduler.is_stopping():
                self._sweep.run(now, self._cleaner)
            self._cleaner.flush()

    def _poll(self) -> set[int]:
        """The descriptors that are ready, at the latest when something is due."""
        now = int(time.time())
        forever = now + FOREVER_SECONDS
        wakeup = self._scheduler.wakeup(forever)
        poll = select.poll()
        poll.register(self._signals.fd, select.POLLIN)
        for spawner in self._spawners:
            if spawner.alive:
                poll.register(spawner.fd_in, select.POLLIN)
                if spawner.wants_write():
                    poll.register(spawner.fd_out, select.POLLOUT)
        if not self._cleaner.is_idle():
            poll.register(CLEAN_IN_FD, select.POLLIN)
        if not self._scheduler.is_stopping():
            wakeup = min(wakeup, self._todo.wakeup(forever))
            if not self._cleaner.is_busy():
                wakeup = min(wakeup, self._sweep.wakeup())
            if self._todo.wants_trigger():
                poll.register(self._todo.trigger_fd, select.POLLIN)
        sleep = wakeup - now + FUZZ_SECONDS if wakeup > now else 0
        return {fd for fd, _ in poll.poll(sleep * 1000)}

    def _take_messages(self, ready: set[int]) -> None:
        """Read what the spawners and qmail-clean say."""
        if CLEAN_IN_FD in ready:
            self._cleaner.receive()
        for message in self._todo.take_ready():
            self._scheduler.preprocessed(message.qnum, message.channels)
        for channel in CHANNELS:
            spawner = self._spawners[channel]
            if spawner.fd_out in ready:
                spawner.flush()
            if spawner.fd_in in ready:
                self._scheduler.receive(channel)

    def _take_signals(self, now: int) -> None:
        for number in self._signals.drain():
            if number == SIGTERM:
                self._scheduler.stop()
            elif number == SIGALRM:
                self._scheduler.retry_all(now)
            elif number == SIGHUP:
                self._reread()
            elif number == SIGCHLD:
                reap()

    def _reread(self) -> None:
        """HUP: locals and virtualdomains, both or, if one is unreadable, neither."""
        try:
            posix.chdir(self._home)
        except OSError:
            self._log.alert(
                b"unable to reread controls: unable to switch to home directory"
            )
            return
        self._reread_lists()
        while True:
            try:
                posix.chdir(layout.QUEUE)
            except OSError:
                self._log.alert(
                    b"unable to switch back to queue directory; HELP! sleeping..."
                )
                self._log.pause()
            else:
                return

    def _reread_lists(self) -> None:
        try:
            locals_ = control_files.reread_locals(self._controls)
        except (OSError, control_files.Unusable):
            self._log.alert(b"unable to reread control/locals")
            return
        try:
            virtualdomains = control_files.reread_virtualdomains()
        except OSError:
            self._log.alert(b"unable to reread control/virtualdomains")
            return
        rewriter = self._controls.rewriter.reloaded(locals_, virtualdomains)
        self._controls.rewriter = rewriter
        self._preprocessor.rewriter = rewriter


def find_messages(scheduler: Scheduler, log: Log) -> None:
    """At the start: every message that was preprocessed by an earlier qmail-send."""
    for part in range(layout.SPLIT):
        for qnum in numbers_in(b"info/%d" % part, log):
            scheduler.find(qnum)


def save_times(scheduler: Scheduler, log: Log) -> None:
    """At the end: leave in each channel file's mtime when it is to be tried again."""
    for path, when in scheduler.retry_times():
        try:
            posix.utime(path, (when, when))
        except OSError:
            log.warning(b"unable to utime %b; message will be retried too soon" % path)
