"""mconnect-io: copy between a terminal and a connection.

Contract     descriptor 0 to 7 with a CR put before each LF, descriptor 6 to 1 as it is,
             both at once.
Exit         0 when descriptor 6 is at its end.
"""

from __future__ import annotations

from pytools.base import signals
from pytools.ucspi.flow import Flow
from pytools.ucspi.relaying import relay
from pytools.ucspi.showing import with_cr


def main(argv: list[bytes]) -> int:
    """Copy until the other side closes."""
    signals.ignore(signals.SIGPIPE)
    # What nobody takes any more is dropped, as the original does.
    relay(Flow(6, 1, reads_on=True), Flow(0, 7, with_cr, reads_on=True))
    return 0
