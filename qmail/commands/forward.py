"""forward: send the message on to other addresses, from a line of a .qmail file.

Contract     forward address ..., run by qmail-local with NEWSENDER and DTLINE set; fd 0
             message. 0 and ``forward: qp N`` on stderr; 100 for misuse or a refusal for
             good, 111 for a refusal for now.
"""

from __future__ import annotations

from pytools.base import signals
from pytools.base.environment import environ
from pytools.base.exits import USAGE, Exit, Strerr
from qmail.queue import onward


def main(argv: list[bytes]) -> int:
    """Queue the message of descriptor 0 for the addresses of ``argv``."""
    strerr = Strerr(b"forward")
    signals.ignore(signals.SIGPIPE)
    for name in (b"NEWSENDER", b"DTLINE"):
        if name not in environ:
            raise strerr.fatal(name, b" not set", code=USAGE)
    qp = onward.submit(environ[b"DTLINE"], environ[b"NEWSENDER"], argv[1:], strerr)
    raise Exit(0, b"forward: qp %d" % qp)
