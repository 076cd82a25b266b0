"""tcpcat: print what a TCP server sends.

Contract     tcpcat [ host [ port ] ]; nothing is sent, what comes goes to descriptor 1
             as it is.
Exit         0 when the server has closed the connection; 111 when there is none.
"""

from __future__ import annotations

from pytools.base.exits import Next
from pytools.ucspi.client_command import RECEIVE, tcpclient

QUOTE_OF_THE_DAY = b"17"


def next_program(argv: list[bytes]) -> list[bytes]:
    """The chain that will run."""
    return tcpclient(argv, QUOTE_OF_THE_DAY, RECEIVE)


def main(argv: list[bytes]) -> int:
    """Become tcpclient."""
    raise Next(next_program(argv))
