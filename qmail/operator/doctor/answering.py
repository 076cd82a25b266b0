"""Whether the SMTP service says anything, when no cause is known why it should not."""

from __future__ import annotations

import ipaddress
import socket
import subprocess
import sys
from collections.abc import Iterator

from qmail.operator.doctor.addresses import rows
from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine, quote
from qmail.operator.doctor.network import PORT, is_service
from qmail.operator.doctor.rules import ASK_SECONDS
from qmail.operator.doctor.services import last_words
from qmail.operator.processes import ANY_IP6, LISTEN, MAPPED_IP4

LOOPBACK = "127.0.0.1"
GREETING_SECONDS = 25.0
"""More than the 20 that tcpserver(1) asks DNS for the client's name."""


def check_answer(machine: Machine) -> Iterator[Finding]:
    """A client of this machine's own is greeted."""
    holder = machine.listener(PORT)
    if holder is None or not is_service(machine, holder.pid):
        return
    address = listening_address(machine)
    if address is None or is_denied(machine, address):
        return
    try:
        with socket.create_connection((address, PORT), GREETING_SECONDS) as client:
            is_greeted = bool(client.recv(1))
    except ConnectionRefusedError:
        # It has just gone.
        return
    except OSError:
        is_greeted = False
    if not is_greeted:
        log, last = last_words(machine, f"{machine.places.service}/qmail-smtpd")
        yield Finding(
            "smtpd-silent",
            f"a connection to port {PORT} of {address} gets no greeting",
            f"tail {quote(log)}",
            last,
        )


def listening_address(machine: Machine) -> str | None:
    """An IPv4 address at which the port can be reached from here."""
    for table in ("net/tcp", "net/tcp6"):
        for words in rows(machine, table):
            address, _, port = words[1].partition(":")
            if words[3] != LISTEN or int(port, 16) != PORT:
                continue
            if address == ANY_IP6:
                return LOOPBACK
            if len(address) == 32 and not address.startswith(MAPPED_IP4):
                continue
            # As the kernel writes it: a number of the machine's byte order.
            found = ipaddress.IPv4Address(
                int(address[-8:], 16).to_bytes(4, sys.byteorder)
            )
            return LOOPBACK if found.is_unspecified else str(found)
    return None


def is_denied(machine: Machine, address: str) -> bool:
    """True if the rules keep this client out, or do not tell."""
    try:
        done = subprocess.run(
            [
                f"{machine.places.local_bin}/tcprulescheck",
                f"{machine.places.rules}.cdb",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"TCPREMOTEIP": address},
            timeout=ASK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    return done.returncode != 0 or b"deny connection\n" in done.stdout
