"""Connections a second through tcpserver, one and 20 at once.

The options are those of the guide's qmail-smtpd/run, and -H, with and without -v; the
program is one of ours (run in the fork, or again and again by workers) or a foreign one
(exec'ed), beside C's tcpserver with C's program.
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

BENCH = "connections a second, a program each"
CONNECTIONS = 1000
AT_ONCE = (1, 20)
WORD = b"QUIT\r\n"
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
    quiet = ["-H", "-R", "-l", "localhost", "-x", cdb, "-c", "40"]
    verbose = ["-v", *quiet]
    control = Path(programs.directory, "control")
    control.mkdir()
    Path(control, "me").write_text("bench.example\n")
    ours, theirs = programs.path("tcpserver"), original("tcpserver")
    smtpd = [programs.path("qmail-smtpd")]
    result = []
    for case, options, mine, peers in (
        ("foreign: true", quiet, ["/bin/true"], ["/bin/true"]),
        ("foreign: true, -v", verbose, ["/bin/true"], ["/bin/true"]),
        ("ours: svok, -v", verbose, [programs.path("svok"), place], svok(place)),
        ("ours by workers: qmail-smtpd, -v", verbose, smtpd, None),
    ):
        for count in AT_ONCE:
            contenders = {"": contender(ours, options, mine, count)}
            if theirs and peers:
                contenders["C"] = contender(theirs, options, peers, count)
            result.append(measure(f"{case}, {count} at once", "conn/s", contenders))
    return result


def svok(place: str) -> list[str] | None:
    """The original with its argument."""
    found = original("svok")
    return [found, place] if found else None


def contender(
    tcpserver: str, options: list[str], program: list[str], at_once: int
) -> Contender:
    """A round with a server of its own."""

    def run() -> float:
        server = Running([tcpserver], options, program)
        os.set_blocking(server.read_log, True)
        drain = subprocess.Popen(
            ["cat"], stdin=server.read_log, stdout=subprocess.DEVNULL
        )
        try:
            visit(server.port, 100, at_once)  # warm
            return visit(server.port, CONNECTIONS, at_once)
        finally:
            server.process.terminate()
            server.process.wait()
            os.close(server.read_log)
            drain.wait()

    return run


def visit(port: int, total: int, at_once: int) -> float:
    """Connect ``total`` times, wait for each end of file; connections a second.

    The word is for the program that would talk; the others do not read it.
    """
    began = time.monotonic()
    poll = select.epoll()
    live: dict[int, socket.socket] = {}
    left = total
    while left or live:
        while left and len(live) < at_once:
            connection = socket.create_connection((LOOPBACK, port))
            connection.send(WORD)
            live[connection.fileno()] = connection
            poll.register(connection.fileno(), select.EPOLLIN)
            left -= 1
        for fd, _ in poll.poll():
            try:
                more = live[fd].recv(4096)
            except ConnectionResetError:
                # The program has not read the word.
                more = b""
            if not more:
                live.pop(fd).close()
    poll.close()
    return total / (time.monotonic() - began)
