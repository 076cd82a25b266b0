"""What is known about a service from its files, for those who show it or wait for it.

Two files    supervise replaces ``last``, then ``status``; either may be replaced between
             two looks. So status is read before and after last, and counts if it did
             not change: then the two are what there was at one moment.
Between      at that moment last may tell of an event that status does not tell of yet.
             After an end, the status to come is known: no process, and wanted as
             before. After a start its pid is not, so there is another look, a little
             later; in the end the status counts alone, as one that is changing.
"""

from __future__ import annotations

import errno
import posix
import time

from pytools.base.exits import reason
from pytools.supervision import last, status

FLAGS = posix.O_NONBLOCK | posix.O_CLOEXEC
LOOKS = 10
PAUSE_SECONDS = 0.005
"""Between two looks."""
WANTS = {b"u": b"up", b"d": b"down"}


class Report:
    """The service of one directory, as it was a moment ago.

    ``problem`` says why the rest means nothing. Without a supervise (``supervised``)
    the status is what the last one left.
    """

    __slots__ = ("changing", "last", "normally_up", "problem", "record", "supervised")

    def __init__(self) -> None:
        self.problem = b""
        self.supervised = False
        self.normally_up = True
        self.record = b""
        self.last: last.Last | None = None
        """What supervise/last says of this process; None: nothing."""
        self.changing = False
        """A new status is about to be written."""

    @property
    def stamp(self) -> bytes:
        """When the process was started or ended: 12 bytes of TAI64N."""
        return self.record[:12]

    @property
    def pid(self) -> int:
        """The process, 0 for none."""
        return int.from_bytes(self.record[12:16], "little")

    @property
    def paused(self) -> bool:
        """True if there is a process, stopped by command."""
        return self.pid != 0 and self.record[16:17] not in (b"", b"\0")

    @property
    def want(self) -> bytes:
        """``up``, ``down`` or ``once``."""
        return WANTS.get(self.record[17:18], b"once")

    @property
    def up(self) -> bool:
        """True if there is a process and a supervise that knows of it."""
        return self.supervised and self.pid != 0

    @property
    def ready(self) -> bool | None:
        """If the service has said that it is ready; None if it does not tell."""
        if not self.up or self.last is None or not self.last.tells:
            return None
        return bool(self.last.ready)


def look(directory: bytes) -> Report:
    """The service of that directory, or of the current one for ``.``."""
    report = Report()
    doing = b"chdir"
    try:
        # The dot: what is no directory, or a closed one, is the problem itself.
        posix.stat(directory + b"/." if directory else b"")
        doing = b"stat down"
        report.normally_up = not status.exists(directory + b"/down")
        doing = b"open supervise/ok"
        report.supervised = _is_supervised(directory)
        doing = b"open supervise/status"
        _read_both(report, directory)
    except OSError as error:
        report.problem = b"unable to %b: %b" % (doing, reason(error))
        return report
    if len(report.record) < status.SIZE:
        report.record = b""
        if report.supervised:
            report.problem = b"unable to read supervise/status: bad format"
    return report


def _is_supervised(directory: bytes) -> bool:
    try:
        posix.close(posix.open(directory + b"/supervise/ok", posix.O_WRONLY | FLAGS))
    except OSError as error:
        if error.errno == errno.ENXIO:
            return False
        raise
    return True


def _read_both(report: Report, directory: bytes) -> None:
    name = directory + b"/supervise/status"
    try:
        report.record = _read(name, status.SIZE)
        for look in range(LOOKS):
            if look:
                time.sleep(PAUSE_SECONDS)
            before, found = report.record, _read_last(directory)
            report.record = _read(name, status.SIZE)
            report.changing = report.record != before or found.is_newer(before[:12])
            if report.record == before and _settle(report, found):
                return
    except FileNotFoundError:
        if report.supervised:
            raise


def _settle(report: Report, found: last.Last) -> bool:
    """Take what belongs together; False if only a status to come would tell it."""
    if found.over and report.stamp == found.started:
        # It has ended, and only last says so yet.
        want = report.record[17:18]
        report.record = status.pack(found.ended, pid=0, paused=False, want=want)
        report.changing = False
    if found.speaks_of(report.stamp):
        report.last = found
    return not report.changing


def _read_last(directory: bytes) -> last.Last:
    try:
        return last.parse(_read(directory + b"/supervise/last", last.SIZE))
    except FileNotFoundError:
        return last.Last()


def _read(path: bytes, size: int) -> bytes:
    fd = posix.open(path, posix.O_RDONLY | FLAGS)
    try:
        return posix.read(fd, size)
    finally:
        posix.close(fd)
