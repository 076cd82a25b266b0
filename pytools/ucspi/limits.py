"""The limits that rules set for a client (pure).

Variables    ``MAXLOAD`` (the load of the last minute, times 100), ``MAXCONNIP`` and
             ``MAXCONNC`` (connections at once of the address and of its network),
             ``MAXRATEIP`` (``n/seconds``: arrivals of the address), and ``DIEMSG``, the
             line that a refused client gets. All but the rate are those of the
             tcpserver-limits patch.
Values       empty: no limit. One without digits is 0 and refuses everybody, so that a
             slip of the pen is noticed.
"""

from __future__ import annotations

from pytools.base.options import scan_ulong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytools.ucspi.counts import Standing

RATE_SECONDS = 60
"""The time of a rate that names none."""
NAMES = (b"MAXLOAD", b"MAXCONNIP", b"MAXCONNC", b"MAXRATEIP")


class Excess:
    """Which limit a client went over."""

    __slots__ = ("found", "name", "value")

    def __init__(self, name: bytes, found: int, value: bytes) -> None:
        self.name = name
        self.found = found
        self.value = value


def exceeded(
    env: dict[bytes, bytes],
    standing: Standing,
    now: float,
    load: Callable[[], float],
) -> Excess | None:
    """The first limit of ``env`` that the client is over; None if there is none."""
    for name in NAMES:
        value = env.get(name)
        if not value:
            continue
        if name == b"MAXRATEIP":
            most, found = _rate(value, standing, now)
        else:
            most = scan_ulong(value)[0]
            if name == b"MAXLOAD":
                # A load of exactly the limit is too much, as in the patch.
                found = int(load() * 100) + 1
            else:
                found = standing.of_ip if name == b"MAXCONNIP" else standing.of_network
        if found > most:
            return Excess(name, found - (name == b"MAXLOAD"), value)
    return None


def _rate(value: bytes, standing: Standing, now: float) -> tuple[int, int]:
    """(how many may arrive, how many did) in the seconds that the value names."""
    count, slash, span = value.partition(b"/")
    seconds = scan_ulong(span)[0] if slash else RATE_SECONDS
    if not seconds:
        # In no time nobody arrives, and there would be no limit.
        return 0, 1
    return scan_ulong(count)[0], standing.arrivals.since(now - seconds)
