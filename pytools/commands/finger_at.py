"""finger@: print what a host's finger server says about a user (RFC 1288).

Contract     finger@ [ host [ user ] ]; the answer goes to descriptor 1, its lines
             ending in LF and its unprintable bytes shown in letters.
Exit         0, also when there was no connection; 111 when nothing could be started.
"""

from __future__ import annotations

from pytools.ucspi.asking import ask
from pytools.ucspi.client_command import SEND_AND_RECEIVE, tcpclient
from pytools.ucspi.showing import Visible

FINGER = b"79"


def main(argv: list[bytes]) -> int:
    """Ask and print."""
    # COMPAT: the user is sent as it is; the original's shell may take a backslash in it
    # for an escape and a leading -n for an option of echo.
    user = argv[2] if len(argv) > 2 else b""
    return ask(tcpclient(argv[:2], FINGER, SEND_AND_RECEIVE), Visible(), user + b"\n")
