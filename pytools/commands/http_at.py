"""http@: print a page of a web server, without the answer's header.

Contract     http@ [ host [ page [ port ] ] ]; asks in HTTP/1.0 for /page. The lines
             after the first empty one go to descriptor 1, ending in LF, but for those
             that are empty.
Exit         0, also when there was no connection; 111 when nothing could be started.
"""

from __future__ import annotations

from pytools.ucspi.asking import ask
from pytools.ucspi.client_command import SEND_AND_RECEIVE, tcpclient
from pytools.ucspi.showing import Body

HTTP = b"80"


def main(argv: list[bytes]) -> int:
    """Ask and print."""
    host, page, port = [*argv[1:4], *(b"0", b"", HTTP)[len(argv[1:4]) :]]
    # COMPAT: the page is sent as it is; the original's shell may take a backslash in it
    # for an escape.
    request = b"GET /%b HTTP/1.0\nHost: %b:%b\n\n" % (page, host, port)
    words = [argv[0], host, port]
    return ask(tcpclient(words, HTTP, SEND_AND_RECEIVE), Body(), request)
