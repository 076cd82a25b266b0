"""mconnect: talk to a server by hand, to an SMTP server unless another port is given.

Contract     mconnect [ host [ port ] ]; lines of descriptor 0 go out with CR LF at
             their ends, what the server sends goes to descriptor 1 as it is.
Exit         0 when the server has closed the connection; 111 when there is none.
"""

from __future__ import annotations

from pytools.base.exits import Next
from pytools.ucspi.client_command import tcpclient

SMTP = b"25"


def next_program(argv: list[bytes]) -> list[bytes]:
    """The chain that will run."""
    return tcpclient(argv, SMTP, [b"mconnect-io"])


def main(argv: list[bytes]) -> int:
    """Become tcpclient."""
    raise Next(next_program(argv))
