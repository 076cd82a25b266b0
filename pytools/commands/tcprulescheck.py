"""tcprulescheck: say what tcpserver would do with a client.

Contract     argv: a cdb; the client in $TCPREMOTEIP, $TCPREMOTEHOST, $TCPREMOTEINFO.
             The rule and its effects on fd 1. 0; 100 for bad usage; 111 for a bad cdb,
             or when the system fails.
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
    text = b"rule %b:\n" % key
    for item in data.split(b"\0")[:-1]:
        if item.startswith(b"D"):
            return text + b"deny connection\n"
        if item.startswith(b"+"):
            text += b"set environment variable %b\n" % item[1:]
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
    try:
        write_all(1, describe(found))
    except OSError as error:
        # COMPAT: the original does not look whether it could.
        raise strerr.fatal(b"unable to write output", error=error) from None
    return 0
