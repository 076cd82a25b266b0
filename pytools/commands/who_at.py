"""who@: print who is logged in on a host, as its systat server says (RFC 866).

Contract     who@ [ host ]; the answer goes to descriptor 1, its lines ending in LF and
             its unprintable bytes shown in letters.
Exit         0, also when there was no connection; 111 when nothing could be started.
"""

from __future__ import annotations

from pytools.ucspi.asking import ask
from pytools.ucspi.client_command import RECEIVE, tcpclient
from pytools.ucspi.showing import Visible

SYSTAT = b"11"


def main(argv: list[bytes]) -> int:
    """Ask and print."""
    return ask(tcpclient(argv[:2], SYSTAT, RECEIVE), Visible())
