"""TAI64 labels: seconds since 1970 TAI plus 2^62, as daemontools writes them.

Like daemontools without a leap-second table, a label is the Unix time plus 10 s.
"""

from __future__ import annotations

import time

TAI_OFFSET = 4611686018427387914
"""2^62 + 10: what is added to Unix seconds."""


def tai64n(ns: int | None = None) -> bytes:
    """24 lower-case hex digits for ``ns`` Unix nanoseconds (default: now)."""
    seconds, nanos = divmod(time.time_ns() if ns is None else ns, 1_000_000_000)
    return b"%016x%08x" % (seconds + TAI_OFFSET, nanos)


def pack(seconds: int, nanos: int) -> bytes:
    """The 12 bytes of a TAI64N stamp for Unix seconds and nanoseconds."""
    return (seconds + TAI_OFFSET).to_bytes(8, "big") + nanos.to_bytes(4, "big")


def unpack(stamp: bytes) -> tuple[int, int]:
    """(Unix seconds, nanoseconds) of a 12-byte stamp."""
    return int.from_bytes(stamp[:8], "big") - TAI_OFFSET, int.from_bytes(
        stamp[8:12], "big"
    )
