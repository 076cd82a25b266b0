"""mconnect-io: copy between a terminal and a connection.

Contract     descriptor 0 to 7 with a CR put before each LF, descriptor 6 to 1 as it is,
             both at once.
Exit         0 when descriptor 6 is at its end.
"""

from __future__ import annotations

from pytools.base import signals
from pytools.ucspi.relaying import Flow, relay
from pytools.ucspi.showing import with_cr


def main(argv: list[bytes]) -> int:
    """Copy until the other side closes."""
    signals.ignore(signals.SIGPIPE)
    relay(Flow(6, 1), Flow(0, 7, with_cr))
    return 0
