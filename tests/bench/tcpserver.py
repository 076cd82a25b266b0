"""Connections a second through tcpserver, each with a child of its own.

The options are those of the guide's qmail-smtpd/run, and -H; the program is one of ours
(run in the fork) or a foreign one (exec'ed), beside C's tcpserver with C's program.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench.programs import Programs, original
from tests.bench.table import Contender, Row, measure
from tests.support.tcpservers import LOOPBACK, Running

BENCH = "connections a second, 20 at once"
CONNECTIONS = 2000
AT_ONCE = 20
RULES = b'127.:allow,RELAYCLIENT=""\n:allow\n'


def rows() -> list[Row]:
    programs = Programs()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as place:
            return _rows(programs, place)
    finally:
        programs.close()


def _rows(programs: Programs, place: str) -> list[Row]:
    cdb = f"{place}/rules.cdb"
    subprocess.run(
        [programs.path("tcprules"), cdb, cdb + ".tmp"], input=RULES, check=True
    )
    Path(place, "down").touch()
    options = ["-v", "-H", "-R", "-l", "localhost", "-x", cdb, "-c", "40"]
    svok, tcpserver = original("svok"), original("tcpserver")
    result = []
    for case, ours, theirs in (
        ("our program: svok", programs.path("svok"), svok),
        ("foreign program: true", "/bin/true", "/bin/true"),
    ):
        contenders = {"": contender(programs.path("tcpserver"), options, ours, place)}
        if tcpserver and theirs:
            contenders["C"] = contender(tcpserver, options, theirs, place)
        result.append(measure(case, "conn/s", contenders))
    return result


def contender(
    tcpserver: str, options: list[str], program: str, argument: str
) -> Contender:
    """A round with a server of its own."""

    def run() -> float:
        server = Running([tcpserver], options, [program, argument])
        os.set_blocking(server.read_log, True)
        drain = subprocess.Popen(
            ["cat"], stdin=server.read_log, stdout=subprocess.DEVNULL
        )
        try:
            visit(server.port, 100)  # warm
            return visit(server.port, CONNECTIONS)
        finally:
            server.process.terminate()
            server.process.wait()
            os.close(server.read_log)
            drain.wait()

    return run


def visit(port: int, total: int) -> float:
    """Connect ``total`` times, wait for each end of file; connections a second."""
    began = time.monotonic()
    poll = select.epoll()
    live: dict[int, socket.socket] = {}
    left = total
    while left or live:
        while left and len(live) < AT_ONCE:
            connection = socket.create_connection((LOOPBACK, port))
            live[connection.fileno()] = connection
            poll.register(connection.fileno(), select.EPOLLIN)
            left -= 1
        for fd, _ in poll.poll():
            if not live[fd].recv(4096):
                live.pop(fd).close()
    poll.close()
    return total / (time.monotonic() - began)
