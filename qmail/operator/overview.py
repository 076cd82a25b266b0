"""``pyqmail status``: all services, the queue and the recent log in one screen.

Sources      svstat --json for the services, qmail-qstat for the queue, the ``current`` of
             every log directory that a log/run names. Nothing here knows their formats
             but as those programs document them.
Log          the ends of all logs in one, by the TAI64N labels of the lines; as many as
             the terminal has room for. A line without a label keeps the place that it
             has in its own log.
SECURITY     a log directory is qmaill's, and clients have a say in log lines: see ``tail``
             and ``printable``.
"""

from __future__ import annotations

import errno
import heapq
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from pytools.base import tai
from qmail.operator.places import Places

MULTILOG = re.compile(rb"multilog\b.*\s(/\S+)\s*$", re.MULTILINE)
LABEL = re.compile(rb"@([0-9a-f]{24}) ")
TAIL_BYTES = 64 * 1024
UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


@dataclass(frozen=True)
class Service:
    """What svstat says of a service, and of its log's (None: it has none)."""

    name: str
    state: dict[str, Any]
    log: dict[str, Any] | None

    @property
    def is_up(self) -> bool:
        """True if it runs, and its log too."""
        return bool(self.state["up"]) and (self.log is None or bool(self.log["up"]))


@dataclass(frozen=True, order=True)
class LogLine:
    """A line of a log: nanoseconds since 1970, whose it is, what it says."""

    time: int
    service: str
    text: str


def table(services: Iterable[Service]) -> Iterator[tuple[str, bool]]:
    """A line a service, under a heading; and whether all is well with it."""
    rows = [("service", "state", "pid", "for", "starts", "log", "")]
    well = [True]
    for one in services:
        state = one.state
        log = "-" if one.log is None else word(one.log)
        rows.append(
            (
                one.name,
                word(state),
                str(state["pid"] or "-"),
                duration(state.get("seconds")),
                str(state.get("starts") or "-"),
                log,
                remark(state),
            )
        )
        well.append(one.is_up)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row, is_well in zip(rows, well, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip(), is_well


def word(state: dict[str, Any]) -> str:
    """The state in one word."""
    if not state["supervised"]:
        return "unsupervised"
    if not state["up"]:
        return "down"
    return "paused" if state.get("paused") else "up"


def remark(state: dict[str, Any]) -> str:
    """What is not as one would expect: what is wanted, and how it ended last."""
    words = []
    wanted = state.get("want")
    if state["supervised"] and wanted == ("down" if state["up"] else "up"):
        words.append(f"want {wanted}")
    if state.get("normally") == "down" and state["up"]:
        words.append("normally down")
    if state.get("ready") is False:
        words.append("not ready")
    if state.get("problem"):
        words.append(state["problem"])
    last = state.get("exit")
    if last and (not state["up"] or (state.get("starts") or 0) > 1):
        words.append(
            f"last exit {last['code']}"
            if "code" in last
            else f"last killed by signal {last['signal']}"
        )
    return ", ".join(words)


def duration(seconds: int | None) -> str:
    """A time as its two largest units: ``3d 4h``, ``12m 3s``, ``7s``."""
    if seconds is None:
        return "-"
    if seconds <= 0:
        return "0s"
    parts: list[str] = []
    for size, unit in UNITS:
        count, seconds = divmod(seconds, size)
        if count or parts:
            parts.append(f"{count}{unit}")
        if len(parts) == 2:
            break
    return " ".join(parts)


def log_of(places: Places, service: str) -> str | None:
    """The directory that the log service's run script gives to multilog."""
    try:
        with open_regular(f"{places.service}/{service}/log/run") as file:
            script = file.read(TAIL_BYTES)
    except OSError:
        return None
    found = MULTILOG.search(script)
    return os.fsdecode(found[1]) if found else None


def log_lines(service: str, text: bytes) -> Iterator[LogLine]:
    """The lines of a log, oldest first; their times never go back."""
    latest = 0
    for line in text.split(b"\n"):
        if not line:
            continue
        if label := LABEL.match(line):
            seconds, nanos = tai.unpack(bytes.fromhex(label[1].decode()))
            latest = max(latest, seconds * 1_000_000_000 + nanos)
            line = line[label.end() :]
        text_line = line.decode("utf-8", "backslashreplace")
        yield LogLine(latest, service, printable(text_line))


def recent(logs: Iterable[tuple[str, bytes]], count: int) -> list[LogLine]:
    """The last ``count`` lines of all logs together, oldest first."""
    if count <= 0:
        return []
    ends = [list(log_lines(service, text))[-count:] for service, text in logs]
    merged = heapq.merge(*ends, key=lambda line: line.time)
    return list(merged)[-count:]


def when(nanoseconds: int) -> str:
    """Local time of a log line; blank where none was said."""
    if not nanoseconds:
        return " " * 19
    try:
        return time.strftime("%F %T", time.localtime(nanoseconds // 1_000_000_000))
    except (OverflowError, ValueError, OSError):
        return "?".ljust(19)


def tail(path: str) -> bytes:
    """The end of a log, from the first whole line on. OSError.

    SECURITY: the directory is qmaill's, who may put there a FIFO to hang on, or a link.
    """
    with open_regular(path, os.O_NOFOLLOW) as file:
        start = max(os.fstat(file.fileno()).st_size - TAIL_BYTES, 0)
        file.seek(start)
        text = file.read(TAIL_BYTES)
        return text.partition(b"\n")[2] if start else text


class NotRegularError(OSError):
    """A path names something else than a regular file."""


def open_regular(path: str, flags: int = 0) -> BinaryIO:
    """A regular file, to read. OSError, of those NotRegularError for anything else.

    A FIFO that somebody left in its place is not waited for.
    """
    flags |= os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    fd = os.open(path, flags)
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise NotRegularError(errno.EISDIR, "is a directory", path)
        if not stat.S_ISREG(mode):
            raise NotRegularError(errno.EINVAL, "not a regular file", path)
        return open(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def printable(line: str) -> str:
    """What a terminal shows as it is; SMTP clients have a say in log lines."""
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in line)
