"""What can be known before an installation begins: nothing is changed if this fails."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import tempfile

from qmail.operator import interpreter, processes
from qmail.operator.places import Places, SetupError

LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
PORT = 25
ROOM_BYTES = 64 << 20
"""What must be free where the runtime goes; it takes a fifth of it."""
QUEUE_BYTES = 4 << 20


def check(places: Places, host: str) -> None:
    """SetupError with the first thing that is in the way."""
    if os.geteuid() != 0:
        raise SetupError("must be run by root\n...try: sudo make mailserver HOST=...")
    check_host(host)
    check_interpreter()
    for directory, room in (
        (places.home, QUEUE_BYTES),
        (places.runtimes, ROOM_BYTES),
        (places.var_log, QUEUE_BYTES),
        (os.path.dirname(places.rules), 0),
    ):
        check_room(directory, room)
    check_port(places)


def check_host(host: str) -> None:
    """A fully qualified name, as a label and a domain."""
    if not host:
        raise SetupError(
            "no HOST given\n...try: make mailserver HOST=mail.example.com, "
            "with the name that the world knows this machine by"
        )
    labels = host.split(".")
    good = all(LABEL.fullmatch(label) for label in labels) and len(host) <= 253
    if not good or len(labels) < 2 or labels[-1].isdigit():
        raise SetupError(
            f"not a full host name: {host!r}\n"
            "...try: one with its domain: make mailserver HOST=mail.example.com"
        )


def check_interpreter() -> None:
    """One that all users can execute, with what a runtime is built with."""
    complaint = interpreter.complaint()
    if complaint is not None:
        raise SetupError(
            f"the daemons could not start this interpreter: {complaint}\n"
            "...try: PYTHON=/usr/bin/python3 make mailserver HOST=..."
        )
    done = subprocess.run(
        [sys.executable, "-I", "-c", "import venv, ensurepip; ensurepip.version()"],
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise SetupError(
            f"{sys.executable} has no venv module\n"
            f"...try: apt-get install python3-venv (or python{version}-venv)"
        )


def check_room(directory: str, room: int) -> None:
    """Write a file there, or where it will be made, and look how much is free."""
    place = directory
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    try:
        with tempfile.NamedTemporaryFile(prefix=".pyqmail-", dir=place) as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        free = os.statvfs(place)
    except OSError as error:
        raise SetupError(
            f"unable to write below {place}: {error.strerror}\n"
            f"...try: {_remedy(error.errno)}: df {place}; findmnt -T {place}"
        ) from None
    if free.f_bavail * free.f_frsize < room:
        raise SetupError(
            f"the file system of {place} is full: less than {room >> 20} MB are free\n"
            f"...try: make room: df {place}"
        )


def _remedy(number: int | None) -> str:
    if number == errno.EROFS:
        return "mount it read-write"
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "make room"
    return "look at it"


def check_port(places: Places) -> None:
    """Nobody but our own tcpserver may have the port."""
    holder = processes.listener(PORT)
    if holder is None or (holder.pid and holder.pid == supervised_pid(places)):
        return
    raise SetupError(
        f"port {PORT} is taken by {holder}\n"
        f"...try: stop and disable that mailer, then again: systemctl disable --now "
        f"{holder.name if holder.pid else 'NAME'}"
    )


def supervised_pid(places: Places, service: str = "qmail-smtpd") -> int:
    """The pid of a service, as its supervise has written it; 0 if it is not up."""
    try:
        with open(f"{places.service}/{service}/supervise/status", "rb") as file:
            return int.from_bytes(file.read(18)[12:16], "little")
    except OSError:
        return 0
