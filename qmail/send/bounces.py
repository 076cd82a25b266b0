"""Bounces: the notes on failed recipients, and the notice made of them.

Format       QSBMF: ``Hi. This is the``, a paragraph a recipient, a paragraph that
             begins with ``-``, Return-Path and the message.
Durability   a note is on disk before its recipient is marked done; the notice is in
             the queue before its notes go. COMPAT: the original does not fsync notes.
             One that does not get there is taken back, and its recipient is not done.
PERF         the notes of all reports that came together are written to disk at once: a
             fsync a recipient made 20,000 failures take 31 seconds instead of 3.
Assumes      nobody else writes bounce/N.
"""

from __future__ import annotations

import posix
import time
from itertools import pairwise

from pytools.base.durable import close_quietly, sync_dir
from qmail.mail.dates import rfc822
from qmail.mail.quoting import quote_address, quote_local
from qmail.queue import layout
from qmail.queue.inject import Submission
from qmail.send.messages import cut, read_info, remove
from qmail.send.rewriting import DOUBLE_BOUNCE_SENDER, bounce_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytools.base.seams import Fs
    from qmail.send.controls import Controls
    from qmail.send.log import Log

TOO_LONG = b"It has been in the queue too long, so I will not try again.\n"
"""Added to the report of a temporary failure that became a permanent one."""

STALL_SECONDS = 2
"""An attempt to queue that took this long and failed was waiting for the queue."""
HOLD_SECONDS = 60
"""Then deliveries come first for this long, and no bounce is tried."""

_BLOCK = 65536
_APPEND = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC
_OPEN_MAX = 32
"""Files of notes that are open at once, before they are written to disk."""
_READ = posix.O_RDONLY | posix.O_CLOEXEC
_SEEK_END = 2

SINGLE_INTRO = b"""\
Your message could not be delivered to the addresses below. The failure is
permanent: no further attempt will be made.
"""
DOUBLE_INTRO = b"""\
A bounce message for this address could not be delivered either.
"""
SINGLE_BREAK = b"--- Below this line is a copy of the message.\n\n"
DOUBLE_BREAK = b"--- Below this line is the original bounce.\n\n"


def note(address: bytes, report: bytes) -> bytes:
    """The paragraph about one recipient. Pure.

    A blank line would end the paragraph, so a second LF in a row becomes a slash.
    """
    text = b"<%b>:\n%b" % (address.replace(b"\n", b"_"), report)
    if not text.endswith(b"\n"):
        text += b"\n"
    lines = text[:-1].split(b"\n")
    joined = [lines[0]]
    for before, line in pairwise(lines):
        joined.append(b"\n" if before else b"/")
        joined.append(line)
    return b"".join(joined) + b"\n\n"


def preamble(controls: Controls, sender: bytes, recipient: bytes, now: int) -> bytes:
    """The notice's header and first paragraph. Pure."""
    author = quote_local(controls.bouncefrom) + b"@" + controls.bouncehost
    return b"""\
Date: %b
From: %b
To: %b
Subject: failure notice

Hi. This is the qmail-send program at %b.
%b
""" % (
        rfc822(now),
        author,
        quote_address(recipient),
        controls.bouncehost,
        SINGLE_INTRO if sender else DOUBLE_INTRO,
    )


class _Open:
    """bounce/N of a message with notes that are not on disk."""

    __slots__ = ("before", "fd")

    def __init__(self, fd: int, before: int) -> None:
        self.fd = fd
        self.before = before
        """Its size when it was opened: the notes that are on disk."""


class Bounces:
    """The notes in bounce/, and their injection."""

    __slots__ = (
        *("_controls", "_entered", "_fs", "_hold_until", "_log", "_lost"),
        *("_submit", "_unsynced", "tried"),
    )

    def __init__(
        self,
        controls: Controls,
        log: Log,
        fs: Fs = posix,
        submit: Callable[[], Submission] = Submission,
    ) -> None:
        self._controls = controls
        self._log = log
        self._fs = fs
        self._submit = submit
        self._hold_until = 0.0
        self.tried = 0
        """Notices that have been given to the queue, taken or not."""
        self._unsynced: dict[int, _Open] = {}
        self._lost: set[int] = set()
        """Messages with notes that were taken back since the last ``sync``."""
        self._entered: set[int] = set()
        """Messages whose bounce/N has survived a sync of its directory."""

    def add(self, qnum: int, paragraph: bytes) -> None:
        """Record a failure; does not return before it is written.

        DURABILITY: a note that is lost is a message that vanished silently, so there is
        no going on without it. It is on disk after the next ``sync``, unless that says
        otherwise. Those of one message come best one after the other: what that takes
        back are the notes since the file was opened.
        """
        if len(self._unsynced) == _OPEN_MAX and qnum not in self._unsynced:
            self._settle()
        while qnum not in self._unsynced:
            try:
                self._unsynced[qnum] = self._open(qnum)
            except OSError:
                if self._unsynced:
                    self._settle()  # it may be these descriptors that are lacking
                else:
                    self._cry()
        fd = self._unsynced[qnum].fd
        while paragraph:
            try:
                paragraph = paragraph[self._fs.write(fd, paragraph) :]
            except OSError:
                self._cry()

    def sync(self) -> set[int]:
        """Have all notes that were added on disk; the messages where that failed.

        Of such a message no note since the last ``sync`` counts.
        """
        self._settle()
        lost, self._lost = self._lost, set()
        return lost

    def _open(self, qnum: int) -> _Open:
        fd = self._fs.open(layout.bounce(qnum), _APPEND, 0o600)
        try:
            return _Open(fd, self._fs.lseek(fd, 0, _SEEK_END))
        except OSError:
            close_quietly(fd, self._fs)
            raise

    def _settle(self) -> None:
        opened, self._unsynced = self._unsynced, {}
        synced = {qnum for qnum, file in opened.items() if self._is_synced(qnum, file)}
        # Also a file that was there before: its entry may be an attempt's that a crash
        # cut short.
        if not synced <= self._entered:
            try:
                sync_dir(layout.BOUNCE_DIR, self._fs)
            except OSError:
                self._log.warning(b"trouble fsyncing " + layout.BOUNCE_DIR)
                synced &= self._entered
            else:
                self._entered |= synced
        for qnum, file in opened.items():
            if qnum not in synced:
                self._take_back(qnum, file.before)
                self._lost.add(qnum)

    def _is_synced(self, qnum: int, file: _Open) -> bool:
        try:
            self._fs.fsync(file.fd)
        except OSError:
            self._log.warning(b"trouble fsyncing " + layout.bounce(qnum))
            return False
        finally:
            # Now: the directory needs a descriptor too.
            close_quietly(file.fd, self._fs)
        return True

    def _take_back(self, qnum: int, before: int) -> None:
        """Remove notes that may or may not be on disk: all after ``before`` bytes.

        The recipient may be reached after all; and what the kernel could not write it
        may never try to write again, so the next note must not come behind this one.
        """
        path = layout.bounce(qnum)
        try:
            if before:
                cut(path, before, self._fs)
            else:
                # An empty one would be a notice about nobody.
                self._fs.unlink(path)
        except OSError:
            # The worst of it: a recipient is in the notice twice, or wrongly.
            self._log.warning(b"unable to take back notes in " + path)

    def inject(self, qnum: int) -> bool:
        """Send the notes on their way, if there are any; False to try again later.

        True means that bounce/N does not exist, and will not come back.
        """
        found = read_info(qnum, self._fs)
        if found is None:
            self._log.warning(b"trouble reading " + layout.info(qnum))
            return False
        sender = bounce_address(found[0])
        path = layout.bounce(qnum)
        # It goes now, or somebody has taken it away: the next is a new file.
        self._entered.discard(qnum)
        try:
            self._fs.stat(path)
        except FileNotFoundError:
            return True
        except OSError:
            self._log.warning(b"unable to stat " + path)
            return False
        if sender == DOUBLE_BOUNCE_SENDER:
            self._log.line(b"triple bounce: discarding " + path)
        elif not self._send(qnum, sender):
            return False
        try:
            remove(path, self._fs)
            # DURABILITY: notes that came back after a power cut would be taken for
            # those of the next message with this number.
            sync_dir(layout.BOUNCE_DIR, self._fs)
        except OSError:
            self._log.warning(b"unable to unlink " + path)
            return False
        return True

    def _send(self, qnum: int, sender: bytes) -> bool:
        """Queue the notice, or warn."""
        began = time.monotonic()
        if began < self._hold_until:
            return False
        self.tried += 1
        self._log.flush()  # the queue may take its time
        qp = self._submit_notice(qnum, sender)
        if qp is None:
            if time.monotonic() - began >= STALL_SECONDS:
                self._hold_until = time.monotonic() + HOLD_SECONDS
            return False
        self._log.line(b"bounce msg %d qp %d" % (qnum, qp))
        return True

    def _submit_notice(self, qnum: int, sender: bytes) -> int | None:
        """The qp of the notice; None, with a warning, if the queue did not take it."""
        submission = self._submit()
        recipient = sender or self._controls.doublebounceto
        submission.put(preamble(self._controls, sender, recipient, int(time.time())))
        self._copy(layout.bounce(qnum), submission)
        submission.put(SINGLE_BREAK if sender else DOUBLE_BREAK)
        submission.put(b"Return-Path: <%b>\n" % quote_address(sender))
        self._copy(layout.mess(qnum), submission)
        submission.sender(b"" if sender else DOUBLE_BOUNCE_SENDER)
        submission.recipient(recipient)
        if submission.close():
            self._log.warning(b"trouble injecting bounce message, will try later")
            return None
        return submission.qp

    def _copy(self, path: bytes, submission: Submission) -> None:
        try:
            fd = self._fs.open(path, _READ)
        except OSError:
            submission.fail()
            return
        try:
            while block := self._fs.read(fd, _BLOCK):
                submission.put(block)
        except OSError:
            submission.fail()
        finally:
            close_quietly(fd, self._fs)

    def _cry(self) -> None:
        self._log.alert(b"unable to append to bounce message; HELP! sleeping...")
        self._log.pause()
