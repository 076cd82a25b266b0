"""svstat --json: what is known about a service, as one line of JSON.

Text         UTF-8. Names of directories are bytes: what is not UTF-8 in them becomes
             U+FFFD, one for each run of such bytes.
Fields       in this order, the same for every service; what is not known is null. See
             svstat(8).
"""

from __future__ import annotations

import time

from pytools.base import tai
from pytools.supervision import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.supervision.report import Report

ALL_UP = 0
NOT_UP = 100
UNKNOWN = 111
NORMALLY = {True: b'"up"', False: b'"down"'}


def report_all(directories: list[bytes]) -> tuple[list[bytes], int]:
    """A line for each directory, and the exit status that sums them up."""
    lines, answer = [], ALL_UP
    for directory in directories:
        seen = report.look(directory)
        lines.append(b"%b\n" % describe(directory, seen, time.time_ns()))
        if seen.problem:
            answer = UNKNOWN
        elif not seen.up:
            answer = max(answer, NOT_UP)
    return lines, answer


def describe(directory: bytes, seen: Report, now: int) -> bytes:
    """The object for one service at ``now``, in Unix nanoseconds."""
    known = not seen.problem and bool(seen.record)
    seconds, nanoseconds = tai.unpack(seen.stamp) if known else (0, 0)
    age = max(0, (now - seconds * 1_000_000_000 - nanoseconds) // 1_000_000_000)
    last = seen.last if known else None
    pairs = [
        ("dir", quote(directory)),
        ("problem", quote(seen.problem) if seen.problem else b"null"),
        ("supervised", b"null" if seen.problem else _truth(seen.supervised)),
        ("up", _truth(seen.up) if known else b"null"),
        ("pid", b"%d" % seen.pid if known and seen.pid else b"null"),
        ("seconds", b"%d" % age if known else b"null"),
        ("since", moment(seen.stamp) if known else b"null"),
        ("want", quote(seen.want) if known else b"null"),
        ("normally", b"null" if seen.problem else NORMALLY[seen.normally_up]),
        ("paused", _truth(seen.paused) if known else b"null"),
        ("ready", b"null" if seen.ready is None else _truth(seen.ready)),
        ("finishing", _truth(last.finishing) if last else b"null"),
        ("starts", b"%d" % last.starts if last else b"null"),
        ("exit", b"null"),
    ]
    if last and last.ended:
        how = b"code" if last.how == b"exit" else b"signal"
        words = b'{"%b": %d, "at": %b}' % (how, last.number, moment(last.ended))
        pairs[-1] = ("exit", words)
    inner = (b'"%b": %b' % (name.encode(), value) for name, value in pairs)
    return b"{%b}" % b", ".join(inner)


def moment(stamp: bytes) -> bytes:
    """A stamp in the words of RFC 3339, in UTC; ``null`` for a senseless one."""
    seconds, nanoseconds = tai.unpack(stamp)
    try:
        when = time.gmtime(seconds)
    except (OverflowError, ValueError, OSError):
        return b"null"
    if not 1 <= when.tm_year <= 9999:
        return b"null"
    date = b"%04d-%02d-%02dT%02d:%02d:%02d" % when[:6]
    return b'"%b.%09dZ"' % (date, nanoseconds)


def quote(text: bytes) -> bytes:
    """Bytes as a JSON string."""
    parts = []
    for character in text.decode("utf-8", "replace"):
        if character in '"\\':
            parts.append("\\" + character)
        elif character < " " or character == "\x7f":
            parts.append(f"\\u{ord(character):04x}")
        else:
            parts.append(character)
    return b'"%b"' % "".join(parts).encode()


def _truth(value: bool) -> bytes:
    return b"true" if value else b"false"
