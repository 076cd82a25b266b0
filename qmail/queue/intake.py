"""qmail-queue's work on one message: Received line, message, envelope, commit.

Contract     the pieces come in order: message()*, end_message(), envelope()*,
             end_envelope(), then commit(). Refused with the exit code at any point.
Memory       constant: each piece goes to its file as it comes.
Space        looked at before each file and each STEP_BYTES, whatever the pieces are.
"""

from __future__ import annotations

import posix

from qmail.mail.dates import rfc822
from qmail.queue import exitcodes
from qmail.queue.config import STEP_BYTES
from qmail.queue.enqueue import S1, S2, Entry
from qmail.queue.envelope import EnvelopeScanner
from qmail.queue.exitcodes import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytools.base.seams import Fs
    from qmail.control.ids import Ids


def received_line(number: int, uid: int, ids: Ids, now: int) -> bytes:
    """The line that tops every message of the queue; it can't be forged (DESIGN 4)."""
    if uid == ids.qmaild:
        # First, so that it is what a trial instance says, where all are one user.
        who = b"from network"
    elif uid == ids.alias:
        who = b"by alias"
    elif uid == ids.qmails:
        who = b"for bounce"
    else:
        who = b"by uid %d" % uid
    return b"Received: (qmail %d invoked %b); %b\n" % (number, who, rfc822(now))


class Intake:
    """Takes one message of the caller `uid` into the queue at the cwd."""

    __slots__ = (
        *("_head", "_is_full", "_names", "_number", "_scanner", "_uid", "_unchecked"),
        "entry",
    )

    def __init__(
        self,
        uid: int,
        number: int,
        received: bytes,
        names: Iterator[bytes],
        is_full: Callable[[], bool],
        fs: Fs = posix,
    ) -> None:
        self._uid = uid
        self._number = number
        self._head = received
        self._names = names
        self._is_full = is_full
        self._unchecked = 0
        self._scanner = EnvelopeScanner()
        self.entry = Entry(fs)

    def message(self, data: bytes) -> None:
        """Take the next piece of the message."""
        # The files begin with the first piece, not with the connection: a caller that
        # connects early and waits holds nothing in the queue.
        if self.entry.state == S1:
            self._check_space()
            self.entry.create(self._names)
            data = self._head + data
        self._write(data)

    def end_message(self) -> None:
        """The message is complete; an empty one is a message, too."""
        if self.entry.state == S1:
            self.message(b"")
        self.entry.end_message()

    def envelope(self, data: bytes) -> None:
        """Take the next piece of the envelope, as it comes on descriptor 1."""
        head = b""
        if self.entry.state == S2:
            self._check_space()
            self.entry.begin_envelope()
            head = b"u%d\0p%d\0" % (self._uid, self._number)
        self._write(head + self._scanner.feed(data))

    def end_envelope(self) -> None:
        """The envelope has ended; it must have been complete."""
        if not self._scanner.complete:
            raise Refused(exitcodes.READ_ERROR)
        self.entry.end_envelope()

    def commit(self) -> None:
        """Queue it; when this returns, the message is safe."""
        self.entry.publish()

    def _write(self, data: bytes) -> None:
        for at in range(0, len(data), STEP_BYTES):
            part = data[at : at + STEP_BYTES]
            self._count(part)
            self.entry.write(part)

    def _count(self, part: bytes) -> None:
        """Look at the free space if this part would go beyond the step."""
        if self._unchecked + len(part) > STEP_BYTES:
            self._check_space()
        self._unchecked += len(part)

    def _check_space(self) -> None:
        self._unchecked = 0
        if self._is_full():
            raise Refused(exitcodes.WRITE_ERROR)
