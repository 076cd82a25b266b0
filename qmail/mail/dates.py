"""Dates in mail: always UTC."""

from __future__ import annotations

import time

_DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTHS = (
    *(b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun"),
    *(b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"),
)


def rfc822(when: int) -> bytes:
    """``22 Nov 2026 14:10:53 -0000``: RFC 822 section 5.1, with a four-digit year."""
    t = time.gmtime(when)
    month = _MONTHS[t.tm_mon - 1]
    clock = (t.tm_hour, t.tm_min, t.tm_sec)
    return b"%d %b %d %02d:%02d:%02d -0000" % (t.tm_mday, month, t.tm_year, *clock)


def mbox_date(when: int) -> bytes:
    """``Sun Nov 22 14:10:53 2026``: what stands at the end of an mbox From_ line."""
    t = time.gmtime(when)
    day, month = _DAYS[t.tm_wday], _MONTHS[t.tm_mon - 1]
    clock = (t.tm_hour, t.tm_min, t.tm_sec)
    return b"%b %b %02d %02d:%02d:%02d %d" % (day, month, t.tm_mday, *clock, t.tm_year)
