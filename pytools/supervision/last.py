"""supervise/last: what became of a service so far, beside the 18 bytes of its status.

Format       lines, each a TAI64N label, a word, and what belongs to it; a line that has
             nothing to say is not there:

                 @LABEL start 3      the third start by this supervise
                 @LABEL exit 1       how the process before ended; or ``signal 15``
                 @LABEL unready      it is to tell when it is ready; then ``ready``
                 @LABEL finish       ./finish runs

             ``tai64nlocal <supervise/last`` makes it readable. See service-directory(5).
Order        that of the events, so ``exit`` stands before ``start`` while the process
             runs and after it when it has ended. Their labels would not tell: clocks
             are put back.
Whose        the later of the two has the stamp of supervise/status. This file is
             written first, so when the status has the stamp of the other one, or an
             older one, there is a status to come. A file that is older than the status
             is another supervise's, which writes none.
"""

from __future__ import annotations

SIZE = 512
"""More than a record can have."""


class Last:
    """One record. Stamps are 12 bytes of TAI64N, or empty for what did not happen."""

    __slots__ = (
        *("ended", "finishing", "how", "number", "over", "ready", "started"),
        *("starts", "tells"),
    )

    def __init__(self) -> None:
        self.starts = 0
        self.started = b""
        self.ended = b""
        self.how, self.number = b"exit", 0
        """``exit`` and the code, or ``signal`` and its number."""
        self.over = False
        """The process that was started has ended."""
        self.tells = False
        """The process is to say when it is ready."""
        self.ready = b""
        self.finishing = False

    def note_start(self, stamp: bytes, tells: bool) -> None:
        """A process was started."""
        self.starts += 1
        self.over = False
        self.started, self.tells, self.ready = stamp, tells, b""

    def note_end(self, stamp: bytes, wait_status: int) -> None:
        """It has ended."""
        self.ended, self.over = stamp, True
        self.how, self.number = b"exit", wait_status >> 8 & 255
        if wait_status & 127:
            self.how, self.number = b"signal", wait_status & 127
        self.tells, self.ready = False, b""

    def finish_arguments(self) -> list[bytes]:
        """What ./finish is told: exit code and 0, or -1 and the signal."""
        if self.how == b"exit":
            return [b"%d" % self.number, b"0"]
        return [b"-1", b"%d" % self.number]

    def pack(self) -> bytes:
        """The bytes of the file."""
        lines = [
            _line(self.started, b"start %d" % self.starts),
            _line(self.ended, b"%b %d" % (self.how, self.number)),
        ]
        if not self.over:
            lines.reverse()
        if self.tells:
            word = b"ready" if self.ready else b"unready"
            lines.append(_line(self.ready or self.started, word))
        if self.finishing:
            lines.append(_line(self.ended, b"finish"))
        return b"".join(lines)

    @property
    def stamp(self) -> bytes:
        """The stamp of the status that this belongs to; empty if nothing was told."""
        return self.ended if self.over else self.started

    def speaks_of(self, stamp: bytes) -> bool:
        """True if this belongs to the status with that stamp."""
        return bool(stamp) and stamp == self.stamp

    def is_newer(self, stamp: bytes) -> bool:
        """True if the status with that stamp is about to be replaced."""
        if self.speaks_of(stamp):
            return False
        return stamp in (self.started, self.ended) or self.stamp > stamp


def parse(text: bytes) -> Last:
    """The record in a file; what makes no sense there is passed over."""
    last = Last()
    for line in text.split(b"\n"):
        label, _, words = line.partition(b" ")
        stamp = _stamp(label)
        word, _, number = words.partition(b" ")
        if not stamp or (number and not number.isdigit()):
            continue
        if word == b"start" and number:
            last.started, last.starts, last.over = stamp, int(number), False
        elif word in (b"exit", b"signal") and number:
            last.ended, last.how, last.number = stamp, word, int(number)
            last.over = True
        elif word in (b"ready", b"unready"):
            last.tells = True
            last.ready = stamp if word == b"ready" else b""
        elif word == b"finish":
            last.finishing = True
    return last


def _line(stamp: bytes, words: bytes) -> bytes:
    return b"@%b %b\n" % (stamp.hex().encode(), words) if stamp else b""


def _stamp(label: bytes) -> bytes:
    if len(label) != 25 or not label.startswith(b"@"):
        return b""
    try:
        stamp = bytes.fromhex(label[1:].decode("ascii"))
    except ValueError:
        return b""
    # fromhex passes over blanks.
    return stamp if len(stamp) == 12 else b""
