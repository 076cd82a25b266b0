"""Deliveries: which message next, what becomes of a report, when a message is over.

Queues       a message in S5 is in ``channels`` for each channel it has recipients on
             and no job is working at, in ``done`` when it has none left, in ``failed``
             when even that could not be found out. It is in one of them, in a job, or
             its channel files say so at the next start: it is never forgotten.
             ``unsure`` are those of ``failed`` that nobody has learned more about since.
States       S5 -> S5 with each report; S5 -> S2 when info/N goes; qmail-clean does the
             rest, S2 -> S1.
Durability   info/N is durably gone before mess/N goes, so that no power cut gives the
             recipients of a message to the next one with its number. A local/N or
             remote/N that comes back alone is read by nobody and removed by the next
             preprocessing of that number.
"""

from __future__ import annotations

import posix
import time

from pytools.base.durable import parent, sync_dir
from qmail.queue import layout
from qmail.send.bounces import TOO_LONG, note
from qmail.send.jobs import begin_pass
from qmail.send.log import safe
from qmail.send.messages import CHANNEL_NAMES, channel_path, mtime, remove
from qmail.send.prioq import TimeQueue
from qmail.send.rewriting import LOCAL, REMOTE
from qmail.send.schedule import (
    LOCAL_SKIP_SECONDS,
    REMOTE_SKIP_SECONDS,
    SYSTEM_FAILURE_SECONDS,
)
from qmail.send.spawner import Delivery
from qmail.send.turns import Turns
from qmail.spawn.records import DEFERRAL, FAILURE, SUCCESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.seams import Fs
    from qmail.send.bounces import Bounces
    from qmail.send.cleaner import CleanerLink
    from qmail.send.controls import Controls
    from qmail.send.jobs import Job, Pass
    from qmail.send.log import Log
    from qmail.send.rewriting import ChannelNumber
    from qmail.send.spawner import SpawnerLink

CHANNELS: tuple[ChannelNumber, ChannelNumber] = (LOCAL, REMOTE)
SKIP_SECONDS = (LOCAL_SKIP_SECONDS, REMOTE_SKIP_SECONDS)
STEP = 64
"""Messages ended, or looked at again, in one turn of the loop."""
BOUNCES_A_TURN = 4
"""Bounces queued in one turn: each may take as long as a delivery."""
ENDED_BATCH = 8
"""Ended messages whose removal is made durable together, if the loop is busy."""


class Scheduler:
    """The queues, the jobs and the spawners."""

    def __init__(
        self,
        controls: Controls,
        spawners: tuple[SpawnerLink, SpawnerLink],
        cleaner: CleanerLink,
        bounces: Bounces,
        log: Log,
        fs: Fs = posix,
    ) -> None:
        self._controls = controls
        self._spawners = spawners
        self._cleaner = cleaner
        self._bounces = bounces
        self._log = log
        self._fs = fs
        self._channels = (TimeQueue(), TimeQueue())
        self._done = TimeQueue()
        self._failed = TimeQueue()
        self._unsure: set[int] = set()
        self._ended: list[int] = []
        self._turns = (Turns(), Turns())
        self._deliveries = 0
        self._is_stopping = False

    # What the loop asks.

    def is_stopping(self) -> bool:
        """True when nothing new is to be started."""
        spawners_live = all(spawner.alive for spawner in self._spawners)
        return self._is_stopping or not spawners_live or not self._cleaner.alive

    def is_over(self) -> bool:
        """True when qmail-send may exit."""
        # There is nothing to be done about the deliveries of a dead spawner.
        at_rest = all(not s.alive or s.used == 0 for s in self._spawners)
        is_clean = self._cleaner.is_idle() and not self._ended
        return self.is_stopping() and at_rest and (is_clean or not self._cleaner.alive)

    def wakeup(self, forever: int) -> int:
        """When there is something to do, if no descriptor becomes ready before."""
        if self._ended and self._cleaner.alive:
            return 0
        if self.is_stopping():
            return forever
        wakeup = self._failed.earliest(forever)
        if not self._cleaner.is_busy():
            wakeup = min(wakeup, self._done.earliest(forever))
        for channel in CHANNELS:
            # A channel without room wakes up when its spawner reports or reads.
            if not self._spawners[channel].has_room():
                continue
            if not self._turns[channel].are_over:
                return 0
            wakeup = min(wakeup, self._channels[channel].earliest(forever))
        return wakeup

    def stop(self) -> None:
        """TERM: start nothing more."""
        self._is_stopping = True

    def retry_all(self, now: int) -> None:
        """ALRM: every message is due now."""
        for queue in self._channels:
            queue.reschedule(now)

    # Messages come in.

    def preprocessed(self, qnum: int, channels: list[ChannelNumber]) -> None:
        """A message has become S5."""
        # INVARIANT: it is queued once. It is in ``failed`` too if todo/N was there at
        # the start but could not be looked at.
        self._unsure.discard(qnum)
        now = int(time.time())
        for channel in channels:
            self._channels[channel].add(now, qnum)
        if not channels:
            self._done.add(now, qnum)

    def find(self, qnum: int) -> None:
        """Put a message in its queues by what is on disk."""
        self._unsure.discard(qnum)
        path = layout.info(qnum)
        try:
            if mtime(path, self._fs) is None:
                return  # it ended while we were looking
            path = layout.todo(qnum)
            if mtime(path, self._fs) is not None:
                return  # still S4: a crash came before its preprocessing was done
            times: list[tuple[ChannelNumber, int]] = []
            for channel in CHANNELS:
                path = channel_path(qnum, channel)
                when = mtime(path, self._fs)
                if when is not None:
                    times.append((channel, when))
        except OSError:
            self._log.warning(b"unable to stat %b; will try again later" % path)
            self._failed.add(int(time.time()) + SYSTEM_FAILURE_SECONDS, qnum)
            self._unsure.add(qnum)
            return
        for channel, when in times:
            self._channels[channel].add(when, qnum)
        if not times:
            self._done.add(int(time.time()), qnum)

    # Deliveries.

    def log_status(self) -> None:
        """The line after every start and every report."""
        local, remote = self._spawners
        self._log.line(
            b"status: local %d/%d remote %d/%d%b"
            % (
                *(local.used, local.limit, remote.used, remote.limit),
                b" exitasap" if self.is_stopping() else b"",
            )
        )

    def start_deliveries(self, now: int) -> None:
        """Fill the free slots of both channels."""
        for channel in CHANNELS:
            spawner = self._spawners[channel]
            while not self.is_stopping() and spawner.has_room():
                current = self._next_pass(channel, now)
                if current is None:
                    break
                found = current.next()
                if current.is_paused:
                    self._turns[channel].paused()
                    break
                if found is None:
                    self._turns[channel].ended()
                    current.close()
                    self._release(current.job)
                    continue
                self._start(channel, current.job, *found)
            spawner.flush()

    def receive(self, channel: ChannelNumber) -> None:
        """Take the reports that have come.

        DURABILITY: successes are marked first, for a note may have to wait for room on
        the disk; then the notes of all failures, before any of these is marked. Whose
        note is not on disk is tried again, as after a deferral.
        """
        spawner = self._spawners[channel]
        failures: list[tuple[Delivery, bytes]] = []
        for slot, letter, text in spawner.receive():
            delivery = spawner.finish(slot)
            if delivery is None:
                continue
            if letter == DEFERRAL and delivery.job.is_dying:
                # COMPAT: of a report that was cut at its limit, the original drops one
                # byte more here.
                letter = FAILURE
                text += TOO_LONG
            self._log_report(delivery, letter, text)
            if letter == FAILURE:
                failures.append((delivery, text))
            else:
                self._end_delivery(delivery, is_done=letter == SUCCESS)
        failures.sort(key=_qnum)
        for delivery, text in failures:
            address = self._controls.rewriter.strip_prepend(delivery.recipient)
            self._bounces.add(delivery.job.qnum, note(address, text))
        lost = self._bounces.sync()
        for delivery, _ in failures:
            self._end_delivery(delivery, is_done=delivery.job.qnum not in lost)

    def _next_pass(self, channel: ChannelNumber, now: int) -> Pass | None:
        """The pass whose turn it is, begun if it must be; None to start nothing."""
        is_due = self._channels[channel].earliest(now + 1) <= now
        turns = self._turns[channel]
        # What is due may not be had: then nobody else is to wait for it.
        return (
            turns.choose(is_due)
            or self._begin_pass(channel, now)
            or turns.choose(is_due=False)
        )

    def _begin_pass(self, channel: ChannelNumber, now: int) -> Pass | None:
        while (qnum := self._channels[channel].pop_due(now)) is not None:
            begun = begin_pass(
                qnum,
                channel,
                now=now,
                skip=SKIP_SECONDS[channel],
                lifetime=self._controls.lifetime,
                log=self._log,
                fs=self._fs,
            )
            if begun is not None:
                self._turns[channel].began(begun)
                return begun
            self._channels[channel].add(now + SYSTEM_FAILURE_SECONDS, qnum)
        return None

    def _start(
        self, channel: ChannelNumber, job: Job, position: int, recipient: bytes
    ) -> None:
        self._deliveries += 1
        self._turns[channel].started()
        job.holders += 1
        delivery = Delivery(self._deliveries, job, position, recipient)
        self._spawners[channel].start(delivery)
        self._log.line(
            b"starting delivery %d: msg %d to %b %b"
            % (delivery.number, job.qnum, CHANNEL_NAMES[channel], safe(recipient))
        )
        self.log_status()

    def _log_report(self, delivery: Delivery, letter: bytes, text: bytes) -> None:
        name = b"delivery %d: " % delivery.number
        if letter == SUCCESS:
            self._log.line(name + b"success: " + safe(text))
        elif letter == FAILURE:
            self._log.line(name + b"failure: " + safe(text))
        elif letter == DEFERRAL:
            self._log.line(name + b"deferral: " + safe(text))
        else:
            self._log.line(name + b"report mangled, will defer")
        self.log_status()

    def _end_delivery(self, delivery: Delivery, *, is_done: bool) -> None:
        position = delivery.position if is_done else None
        if position is not None:
            delivery.job.recipient_done(position, self._log, self._fs)
        self._release(delivery.job, position)

    def _release(self, job: Job, position: int | None = None) -> None:
        """One holder less; after the last, the message is scheduled or ended."""
        job.holders -= 1
        if job.holders:
            return
        if not job.is_finished():
            job.sync(self._log, self._fs)
            self._channels[job.channel].add(job.retry, job.qnum)
            return
        try:
            remove(job.path, self._fs)
        except OSError:
            self._log.warning(b"unable to unlink %b; will try again later" % job.path)
            if position is not None:
                job.mark(position, self._log, self._fs)
            later = int(time.time()) + SYSTEM_FAILURE_SECONDS
            self._channels[job.channel].add(later, job.qnum)
            return
        other = channel_path(job.qnum, REMOTE if job.channel == LOCAL else LOCAL)
        try:
            if mtime(other, self._fs) is not None:
                return
        except OSError:
            self._log.warning(b"unable to stat " + other)
        self._done.add(int(time.time()), job.qnum)

    # Messages end.

    def finish_messages(self, now: int, is_idle: bool = True) -> None:
        """End the messages that have no recipients left, some in a turn."""
        for _ in range(STEP):
            qnum = self._failed.pop_due(now)
            if qnum is None:
                break
            if qnum in self._unsure:
                self.find(qnum)
        enough = self._bounces.tried + BOUNCES_A_TURN
        for _ in range(STEP):
            if self._cleaner.is_busy() or self._bounces.tried == enough:
                break
            qnum = self._done.pop_due(now)
            if qnum is None:
                break
            self._finish(qnum)
        if self._ended and (is_idle or len(self._ended) >= ENDED_BATCH):
            self._remove_ended()

    def _remove_ended(self) -> None:
        """S2 -> S1, through qmail-clean."""
        ended, self._ended = self._ended, []
        bad: set[bytes] = set()
        for path in sorted({parent(layout.info(qnum)) for qnum in ended}):
            try:
                sync_dir(path, self._fs)
            except OSError:
                self._log.warning(b"trouble fsyncing " + path)
                bad.add(path)
        for qnum in ended:
            # What stays is in S2; a sweep will remove it.
            if parent(layout.info(qnum)) not in bad:
                self._cleaner.request(layout.foop(qnum))

    def _finish(self, qnum: int) -> None:
        info = layout.info(qnum)
        path = info
        try:
            for channel in CHANNELS:
                path = channel_path(qnum, channel)
                if mtime(path, self._fs) is not None:
                    return  # a stat that failed has sent it here too soon
            path = layout.todo(qnum)
            if mtime(path, self._fs) is not None:
                return
            path = info
            if mtime(path, self._fs) is None:
                return
        except OSError:
            self._log.warning(b"unable to stat %b; will try again later" % path)
        else:
            if self._bounces.inject(qnum):
                self._log.line(b"end msg %d" % qnum)
                try:
                    self._fs.unlink(info)
                except OSError:
                    self._log.warning(
                        b"unable to unlink %b; will try again later" % info
                    )
                else:
                    self._ended.append(qnum)
                    return
        self._done.add(int(time.time()) + SYSTEM_FAILURE_SECONDS, qnum)

    def retry_times(self) -> list[tuple[bytes, int]]:
        """(channel file, time of its next attempt) of all that waits; empties them.

        A message whose pass has not come to its end has recipients who have not been
        tried: it is due at the next start.
        """
        for turns in self._turns:
            for unfinished in turns.drain():
                unfinished.close()
                unfinished.job.sync(self._log, self._fs)
        return [
            (channel_path(qnum, channel), when)
            for channel in CHANNELS
            for when, qnum in self._channels[channel].drain()
        ]


def _qnum(failure: tuple[Delivery, bytes]) -> int:
    return failure[0].job.qnum
