"""Whether the SMTP service says anything, when no cause is known why it should not.

That a client waits, or is sent away, may be meant. Silence is certain only of a tcpserver
that has taken the connection, asks for no PROXY header, lets this client in without a
limit, and starts qmail-smtpd itself: other programs may take their time, or send away
whom they do not want.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from qmail.operator.doctor import tcpserver
from qmail.operator.doctor.addresses import listening
from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine, quote
from qmail.operator.doctor.network import PORT, is_service
from qmail.operator.doctor.rules import ASK_SECONDS
from qmail.operator.doctor.services import last_words
from qmail.operator.doctor.tcpserver import Server
from qmail.operator.processes import ANY_IP6, MAPPED_IP4

LOOPBACK = "127.0.0.1"
TABLES = ("net/tcp", "net/tcp6")
GREETING_SECONDS = 25.0
"""More than the 20 that tcpserver(8) asks DNS for the client's name."""
LOOK_SECONDS = 1.0
LIMITS = (b"MAXLOAD", b"MAXCONNIP", b"MAXCONNC", b"MAXRATEIP")
"""Variables by which tcpserver sends clients away that are too many."""
CLOSED, SILENT, UNKNOWN = "is closed without a greeting", "gets no greeting", ""


def check_answer(machine: Machine) -> Iterator[Finding]:
    """A client of this machine's own is greeted."""
    holder = machine.listener(PORT)
    if holder is None or not is_service(machine, holder.pid):
        return
    server = tcpserver.of_process(machine, holder.pid)
    address = listening_address(machine)
    if server is None or server.last("y")[0] or address is None:
        return
    if not is_smtpd(server) or not is_let_in(machine, server, address):
        return
    outcome = call(machine, address)
    if outcome == SILENT and server.may_be_slow:
        return
    if outcome:
        log, last = last_words(machine, f"{machine.places.service}/qmail-smtpd")
        yield Finding(
            "smtpd-silent",
            f"a connection to port {PORT} of {address} {outcome}",
            f"tail {quote(log)}",
            last,
        )


def is_smtpd(server: Server) -> bool:
    """True if it starts qmail-smtpd itself."""
    return os.path.basename(server.program[0]) == "qmail-smtpd"


def call(machine: Machine, address: str) -> str:
    """CLOSED or SILENT, if a connection is taken and not greeted; else UNKNOWN."""
    deadline = time.monotonic() + GREETING_SECONDS
    try:
        client = socket.create_connection((address, PORT), GREETING_SECONDS)
    except OSError:
        # It has just gone, or has no room for more.
        return UNKNOWN
    with client:
        client.settimeout(min(LOOK_SECONDS, GREETING_SECONDS))
        while time.monotonic() < deadline:
            try:
                return UNKNOWN if client.recv(1) else CLOSED
            except TimeoutError:
                if is_waited_for(machine):
                    return UNKNOWN
            except OSError:
                return CLOSED
    return SILENT


def is_waited_for(machine: Machine) -> bool:
    """True if there are connections that nobody has taken, as when all are in use.

    proc_pid_net(5): where a socket listens, rx_queue is the number of them.
    """
    return any(
        int(words[4].partition(":")[2], 16) > 0
        for words in listening(machine, PORT, *TABLES)
    )


def listening_address(machine: Machine) -> str | None:
    """An IPv4 address at which the port can be reached from here."""
    for words in listening(machine, PORT, *TABLES):
        address = words[1].partition(":")[0]
        if address == ANY_IP6:
            return LOOPBACK
        if len(address) == 32 and not address.startswith(MAPPED_IP4):
            continue
        # As the kernel writes it: a number of the machine's byte order.
        found = ipaddress.IPv4Address(int(address[-8:], 16).to_bytes(4, sys.byteorder))
        return LOOPBACK if found.is_unspecified else str(found)
    return None


def is_let_in(machine: Machine, server: Server, address: str) -> bool:
    """True if the rules take this client, and count nothing."""
    is_ruled, rules = server.last("x")
    if not is_ruled:
        return True
    if not rules.startswith("/"):
        return False
    try:
        done = subprocess.run(
            [f"{machine.places.local_bin}/tcprulescheck", rules],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"TCPREMOTEIP": address},
            timeout=ASK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    is_counted = any(name in done.stdout for name in LIMITS)
    is_denied = b"deny connection\n" in done.stdout
    return done.returncode == 0 and not is_denied and not is_counted
