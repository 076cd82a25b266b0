"""supervise/status: 18 bytes about a service, and the words svstat has for them.

Format       0-7 TAI64 seconds, 8-11 nanoseconds (both big-endian) of the last change of
             the process; 12-15 its pid, **little-endian**, 0 when down; 16 nonzero when
             paused; 17 what is wanted: ``u``, ``d`` or NUL (after ``o``).
             See service-directory(5).
"""

from __future__ import annotations

import posix

SIZE = 18
TAI_OFFSET = 4611686018427387914
"""What a stamp has more than Unix seconds; here because svstat needs no more of tai."""


def pack(stamp: bytes, pid: int, paused: bool, want: bytes) -> bytes:
    """The record; ``stamp`` is 12 bytes of TAI64N, ``want`` one byte."""
    return b"%b%b%c%b" % (stamp, pid.to_bytes(4, "little"), paused, want)


def describe(record: bytes, now: int, normally_up: bool) -> bytes:
    """What svstat says of a record at ``now``, in TAI64 seconds."""
    pid = int.from_bytes(record[12:16], "little")
    paused, want = record[16], record[17:18]
    # COMPAT: a stamp in the future counts as now; the original counts in doubles, which
    # shows in the digits where a broken record makes it 4611686020222745600 seconds.
    seconds = int(float(max(now - int.from_bytes(record[:8], "big"), 0)))
    if pid:
        words = b"up (pid %d) %d seconds" % (pid, seconds)
        if not normally_up:
            words += b", normally down"
        if paused:
            words += b", paused"
        if want == b"d":
            words += b", want down"
        return words
    words = b"down %d seconds" % seconds
    if normally_up:
        words += b", normally up"
    if want == b"u":
        words += b", want up"
    return words


def exists(path: bytes) -> bool:
    """Is there a file of a service, such as ``down``? OSError when nobody can say."""
    try:
        posix.stat(path)
    except FileNotFoundError:
        return False
    return True
