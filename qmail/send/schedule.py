"""When a message is tried again, and when it is given up: pure.

The n-th attempt comes about (10 n)^2 seconds after the birth of the message on the
local channel, (20 n)^2 on the remote one: 0, 100, 400, 900 ... and 0, 400, 1600 ...
"""

from __future__ import annotations

from math import isqrt

LOCAL_SKIP_SECONDS = 10
REMOTE_SKIP_SECONDS = 20

QUEUE_LIFETIME_SECONDS = 604800
"""The default of control/queuelifetime: a week."""

SYSTEM_FAILURE_SECONDS = 123
"""After trouble of this machine, look at the message again in this time."""

TODO_SECONDS = 1500
"""Scan todo/ this often even if nobody pulled the trigger."""

FOREVER_SECONDS = 86400
"""The longest sleep."""

FUZZ_SECONDS = 1
"""Sleep this much longer, so that the time has come when we wake up."""

CLEANUP_SECONDS = 76431
"""From the end of one sweep through mess/ to the next."""


def next_retry(birth: int, now: int, skip: int) -> int:
    """The next square of ``skip`` more seconds than the age's root, after the birth."""
    root = isqrt(now - birth) if now > birth else 0
    return birth + (root + skip) ** 2


def is_expired(birth: int, now: int, lifetime: int) -> bool:
    """True when this attempt is the last one."""
    return now > birth + lifetime
