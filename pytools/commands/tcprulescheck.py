"""tcprulescheck: say what tcpserver would do with a client.

Contract     argv: a cdb; the client in $TCPREMOTEIP, $TCPREMOTEHOST, $TCPREMOTEINFO.
             The rule and its effects on fd 1. 0; 100 for bad usage; 111 for a bad cdb.
"""

from __future__ import annotations

from pytools.base.cdb import Cdb
from pytools.base.environment import environ
from pytools.base.exits import USAGE, Exit, Strerr
from pytools.base.fds import write_all
from pytools.ucspi import rules

UNKNOWN_IP = b"0.0.0.0"

strerr = Strerr(b"tcprulescheck")


def describe(found: tuple[bytes, bytes] | None) -> bytes:
    """What tcprulescheck prints for a rule, or for none."""
    if found is None:
        return b"default:\nallow connection\n"
    key, data = found
    denied, variables = rules.decode(data)
    text = b"rule %b:\n" % key
    if denied:
        return text + b"deny connection\n"
    for name, value in variables:
        text += b"set environment variable %b=%b\n" % (name, value)
    return text + b"allow connection\n"


def main(argv: list[bytes]) -> int:
    if len(argv) < 2:
        raise Exit(USAGE, b"tcprulescheck: usage: tcprulescheck rules.cdb")
    ip = environ.get(b"TCPREMOTEIP", UNKNOWN_IP)
    host = environ.get(b"TCPREMOTEHOST")
    info = environ.get(b"TCPREMOTEINFO")
    try:
        with Cdb(argv[1]) as cdb:
            found = rules.look_up(cdb.get, ip, host, info)
    except OSError as error:
        raise strerr.fatal(b"unable to read ", argv[1], error=error) from None
    write_all(1, describe(found))
    return 0
