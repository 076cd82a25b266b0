"""Jobs, and the passes that feed them.

A pass goes once through the recipients of a message on one channel and starts a
delivery for each that is not done. A job is a message on a channel from the beginning
of its pass to the report of its last delivery; only then is the message scheduled anew.
"""

from __future__ import annotations

import posix

from pytools.base.durable import close_quietly
from qmail.queue import layout
from qmail.queue.envelope import DONE, NOT_DONE
from qmail.send.messages import (
    Records,
    channel_path,
    mark_done,
    read_info,
    sync_marks,
)
from qmail.send.schedule import is_expired, next_retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.seams import Fs
    from qmail.send.log import Log
    from qmail.send.rewriting import ChannelNumber

DONE_STEP = 5000
"""Recipients that are done, some milliseconds of reading, before others come first."""

_READ = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK


class Job:
    """A message on a channel, while deliveries of it may be under way."""

    __slots__ = (
        *("channel", "holders", "is_dying", "is_read", "marked", "message"),
        *("path", "qnum", "retry", "sender", "undone"),
    )

    def __init__(
        self,
        qnum: int,
        channel: ChannelNumber,
        sender: bytes,
        retry: int,
        is_dying: bool,
    ) -> None:
        self.qnum = qnum
        self.channel = channel
        self.message = b"%d/%d" % (layout.split(qnum), qnum)
        self.path = channel_path(qnum, channel)
        self.sender = sender
        self.retry = retry
        self.is_dying = is_dying
        """Its temporary failures are permanent ones."""
        self.holders = 1
        """Its pass, and each of its deliveries."""
        self.undone = 0
        """Recipients found not done, and not yet done since."""
        self.is_read = False
        """The pass has come to the end of the file."""
        self.marked = False
        """Recipients were marked in a file that may have to stay."""

    def is_finished(self) -> bool:
        """True when every recipient of the file is done."""
        return self.is_read and self.undone == 0

    def recipient_done(self, position: int, log: Log, fs: Fs = posix) -> None:
        """Never try the recipient at ``position`` again.

        PERF: the last one of a file is not marked, because the file goes at once.
        """
        self.undone -= 1
        if not self.is_finished():
            self.mark(position, log, fs)

    def mark(self, position: int, log: Log, fs: Fs = posix) -> None:
        """Write the D of a recipient."""
        try:
            mark_done(self.path, position, fs)
        except OSError:
            log.warning(
                b"trouble marking %b; message will be delivered twice!" % self.path
            )
        else:
            self.marked = True

    def sync(self, log: Log, fs: Fs = posix) -> None:
        """Make the marks durable, when the file stays for another pass."""
        if self.marked:
            try:
                sync_marks(self.path, fs)
            except OSError:
                log.warning(b"trouble fsyncing " + self.path)


class Pass:
    """The reading of a channel file, recipient by recipient.

    One that is parked holds no descriptor, so any number of passes may wait.
    """

    __slots__ = ("_fd", "_fs", "_log", "_offset", "_records", "is_paused", "job")

    def __init__(self, job: Job, fd: int, log: Log, fs: Fs = posix) -> None:
        self.job = job
        self.is_paused = False
        """``next`` gave None because it has read enough for now."""
        self._fd = fd
        self._fs = fs
        self._log = log
        self._offset = 0
        self._records = Records(fd, fs)

    def park(self) -> None:
        """Close the file until ``next`` is called."""
        self._offset = self._records.offset
        self.close()

    def next(self) -> tuple[int, bytes] | None:
        """Where the next recipient that is not done stands, and its address.

        None at the end, good or bad; only at a good one the job ``is_read``. None too
        when it ``is_paused``.
        """
        self.is_paused = False
        for _ in range(DONE_STEP):
            try:
                if self._fd < 0:
                    self._go_on()
                record = self._records.next()
            except OSError:
                self._log.warning(
                    b"trouble reading %b; will try again later" % self.job.path
                )
                return None
            if record is None:
                # COMPAT: the original takes a record that was cut off for the end, and
                # removes the file. No crash leaves such a file, so look at it again.
                self.job.is_read = not self._records.is_cut()
                if not self.job.is_read:
                    self._complain()
                return None
            position, letter, address = record
            if letter == NOT_DONE:
                self.job.undone += 1
                return position, address
            if letter != DONE:
                self._complain()
                return None
        self.is_paused = True
        return None

    def close(self) -> None:
        """Close the file, if it is open; the job goes on."""
        if self._fd >= 0:
            close_quietly(self._fd, self._fs)
            self._fd = -1

    def _go_on(self) -> None:
        self._fd = self._fs.open(self.job.path, _READ)
        self._fs.lseek(self._fd, self._offset, 0)
        self._records = Records(self._fd, self._fs, self._offset)

    def _complain(self) -> None:
        self._log.warning(b"unknown record type in %b!" % self.job.path)


def begin_pass(
    qnum: int,
    channel: ChannelNumber,
    *,
    now: int,
    skip: int,
    lifetime: int,
    log: Log,
    fs: Fs = posix,
) -> Pass | None:
    """Open the recipients of a message; None, with a warning, if they cannot be had."""
    path = channel_path(qnum, channel)
    try:
        fd = fs.open(path, _READ)
    except OSError:
        found = None
    else:
        found = read_info(qnum, fs)
        if found is None:
            close_quietly(fd, fs)
    if found is None:
        log.warning(b"trouble opening %b; will try again later" % path)
        return None
    sender, birth = found
    retry = next_retry(birth, now, skip)
    job = Job(qnum, channel, sender, retry, is_expired(birth, now, lifetime))
    return Pass(job, fd, log, fs)
