"""What an operator must know when ``make setup`` has taken over a running server.

Setup replaces the programs of the original by rename and touches neither control files
nor messages; what runs goes on with the programs that it began with. What needs a hand
then, setup says at its end: a queue without its writer or of another split, and servers
of the original, above all one whose limits leave no room for a program of ours.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from itertools import islice

from qmail.operator import hier, running
from qmail.operator.places import Places
from qmail.operator.running import Process

LOCK_FLAGS = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
LOOK = 2000
"""Names of a directory that are looked at. One message in 23 is in its place by chance."""


def notices(places: Places) -> Iterator[str]:
    """What is to be done; nothing where the server was ours already, or is new."""
    is_old = is_locked(f"{places.home}/queue/lock/sendmutex") and not is_locked(
        f"{places.home}/run/queued.lock"
    )
    # With a scan directory svscan starts the queue server by itself.
    if is_old and not os.path.isdir(places.service):
        yield (
            "qmail-send has been running since before; until it is restarted root alone "
            "can queue mail\n...try: end it (TERM), and start it as before"
        )
    if is_split_otherwise(places):
        scan = places.service
        stop = f"svc -d -w D -T 300 {scan}/qmail-send {scan}/{places.queued} &&"
        if not os.path.isdir(scan):
            stop = "stop qmail-send, then:"
        yield (
            f"the queue is not split by {hier.SPLIT}; what is in it would not be seen\n"
            f"...try: {stop} pyqmail queue check --repair"
        )
    yield from of_processes(places, list(running.every()))


def of_processes(places: Places, processes: Iterable[Process]) -> Iterator[str]:
    """What is to be done about programs of the original that still run."""
    starved = running.starved(places, processes)
    if starved:
        yield (
            f"{listed(starved)} of the original: every connection is closed, for the "
            f"softlimit that it was started with has no room for the new programs\n"
            f"...try: {restart(places, starved)}"
        )
    others = [one for one in running.originals(places, processes) if one not in starved]
    servers = [one for one in others if one.name == "tcpserver"]
    if servers:
        yield (
            f"{listed(servers)} of the original: at work as before, until it is "
            f"restarted\n...try: {restart(places, servers)}"
        )
    keepers = [one for one in others if one.name != "tcpserver"]
    if keepers:
        yield (
            f"{listed(keepers)} of the original: at work as before, until the next "
            "boot\n...try: reboot, when there is time for it"
        )


def listed(processes: Iterable[Process]) -> str:
    """Programs and their process ids."""
    found: dict[str, list[str]] = {}
    for one in processes:
        found.setdefault(one.name, []).append(str(one.pid))
    return ", ".join(f"{name} ({' '.join(pids)})" for name, pids in found.items())


def restart(places: Places, processes: list[Process]) -> str:
    """The command that has servers start again as their run scripts say."""
    services = {running.service_of(places, one) for one in processes}
    commands = [
        f"svc -t {places.service}/{name}"
        for name in sorted(name for name in services if name)
        if name != "qmail-smtpd"
    ]
    if "qmail-smtpd" in services:
        commands.insert(0, "qmailctl restart")
    command = " && ".join(commands) or "end it (TERM), and start it as before"
    # The run script may name them by their paths, so that they come again.
    is_packaged = any(one.is_packaged for one in processes)
    return f"{command}; then: pyqmail doctor" if is_packaged else command


def is_locked(path: str) -> bool:
    """True if somebody has a lock on the file."""
    try:
        fd = os.open(path, LOCK_FLAGS)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def is_split_otherwise(places: Places) -> bool:
    """True if the queue has messages where no program of ours looks for them.

    That is where it was made with another conf-split: a larger one has directories that
    ours has not, a smaller one has messages in others of those that both have. Cheap, for
    it reads no more than LOOK names of a directory, and stops at the first such message.
    A second file of a message that is in its place, too, is none: a repair leaves it.
    """
    mess = f"{places.home}/queue/mess"
    parts = [name for name in _names(mess) if name.isdecimal()]
    return any(_is_of_another(mess, part) for part in parts)


def _is_of_another(mess: str, part: str) -> bool:
    """True for a directory that ours has not, or with a message that is seen nowhere."""
    has_seconds = False
    for name in islice(_names(f"{mess}/{part}"), LOOK):
        if not name.isdecimal() or int(name) % hier.SPLIT == int(part):
            continue
        if not os.path.lexists(f"{mess}/{int(name) % hier.SPLIT}/{name}"):
            return True
        has_seconds = True
    # A repair removes it, but not with a second file in it.
    return int(part) >= hier.SPLIT and not has_seconds


def _names(directory: str) -> Iterator[str]:
    """The names in a directory; none where there is no such directory."""
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                yield entry.name
    except (FileNotFoundError, NotADirectoryError):
        return
