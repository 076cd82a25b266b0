"""The services: scanned, supervised, up, and staying so."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from pytools.base.tai import unpack
from qmail.operator import overview
from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine, quote, read
from qmail.operator.doctor.tree import GUIDE_SERVICES, service_names
from qmail.operator.overview import NotRegularError

STATUS_BYTES = 18
PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class State:
    """What supervise/status says: pid 0 if down, since when in seconds since 1970."""

    pid: int
    since: float
    paused: bool
    want: bytes


def state_of(service: str) -> State | None:
    """The state of a service; None if supervise has not written one. OSError."""
    try:
        record = read(f"{service}/supervise/status")
    except (FileNotFoundError, NotRegularError):
        return None
    if len(record) != STATUS_BYTES:
        return None
    seconds, nanoseconds = unpack(record[:12])
    return State(
        int.from_bytes(record[12:16], "little"),
        seconds + nanoseconds / 1e9,
        record[16] != 0,
        record[17:18],
    )


def started_at(machine: Machine, service: str) -> float | None:
    """When a service was started that is up; None if it is not. OSError."""
    directory = f"{machine.places.service}/{service}"
    state = state_of(directory) if is_supervised(directory) else None
    return state.since if state and state.pid else None


def is_supervised(service: str) -> bool:
    """True if a supervise has the service's ``ok`` open for reading, as for svok."""
    try:
        fd = os.open(f"{service}/supervise/ok", os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise
        return False
    os.close(fd)
    return True


def svscan_pid(machine: Machine) -> int:
    """The svscan whose working directory is the service directory; 0 if there is none."""
    for pid in filter(str.isdigit, os.listdir(machine.proc)):
        try:
            with open(f"{machine.proc}/{pid}/comm") as comm:
                name = comm.read().strip()
            if name == "svscan" and os.path.samefile(
                f"{machine.proc}/{pid}/cwd", machine.places.service
            ):
                return int(pid)
        except (OSError, ValueError):
            continue
    return 0


def check_services(machine: Machine) -> Iterator[Finding]:
    """/service, svscan, and every service in it."""
    scanned = machine.places.service
    if not os.path.isdir(scanned):
        install = f"cd {quote(machine.source)} && package/install"
        what = "does not exist"
        if os.path.lexists(scanned):
            what = "leads nowhere" if os.path.islink(scanned) else "is no directory"
            install = f"mv -T {quote(scanned)} {quote(scanned + '.wrong')} && {install}"
        yield Finding("service-directory-missing", f"{scanned} {what}", install)
        return
    is_scanned = svscan_pid(machine) != 0
    if not is_scanned:
        yield Finding("svscan-missing", f"no svscan runs in {scanned}", start(machine))
    links = {name: name for name in GUIDE_SERVICES}
    links[machine.places.queued] = "qmail-queued"
    for name, directory in links.items():
        link = f"{scanned}/{name}"
        if not os.path.isdir(link):
            target = quote(f"{machine.home}/supervise/{directory}")
            yield Finding(
                "service-missing",
                f"{link} does not exist"
                if not os.path.islink(link)
                else f"{link} leads nowhere",
                f"ln -sfn {target} {quote(link)}",
            )
    every = []
    for name in sorted({*service_names(machine)} | {*links}):
        for service in (f"{scanned}/{name}", f"{scanned}/{name}/log"):
            if os.path.isdir(service):
                every.append(service)
                yield from of_down_file(service)
    yield from settled(machine, every, is_scanned)
    yield from of_socket(machine)


def start(machine: Machine) -> str:
    """How svscan is started: by what starts it at boot, else by hand."""
    if os.path.isdir(machine.path("/run/systemd/system")) and any(
        os.path.exists(machine.path(f"{directory}/svscanboot.service"))
        for directory in ("/etc/systemd/system", "/lib/systemd/system")
    ):
        return "systemctl restart svscanboot"
    svscanboot = quote(f"{machine.places.command}/svscanboot")
    return f"setsid {svscanboot} </dev/null >/dev/null 2>&1 &"


def of_down_file(service: str) -> Iterator[Finding]:
    """A file ``down`` keeps supervise from starting it."""
    path = f"{service}/down"
    if os.path.lexists(path):
        yield Finding(
            "service-down-file",
            f"{path} exists",
            f"rm {quote(path)} && svc -u {quote(service)}",
        )


def settled(
    machine: Machine, services: list[str], is_scanned: bool
) -> Iterator[Finding]:
    """What is wrong with services after they have had their time to start.

    Only those are waited for that may just have been started.
    """
    began = time.monotonic()
    while True:
        passed = time.monotonic() - began
        found = {service: of_state(machine, service) for service in services}
        young = {
            service
            for service, finding in found.items()
            if finding
            and (
                (
                    finding.code == "service-loops"
                    and passed <= machine.settle_seconds + 1
                )
                or (
                    finding.code == "service-unsupervised"
                    and is_scanned
                    and passed <= machine.notice_seconds
                )
            )
        }
        if not young:
            break
        time.sleep(PAUSE_SECONDS)
    yield from (finding for finding in found.values() if finding)


def of_state(machine: Machine, service: str) -> Finding | None:
    """What is wrong with a service now; "loops" may only mean that it is young."""
    name = quote(service)
    if not is_supervised(service):
        where = f"{machine.proc}/[0-9]*/cmdline"
        return Finding(
            "service-unsupervised",
            f"{service} is not supervised",
            f"cat {where} | tr '\\0' '\\n' | grep readproctitle",
        )
    state = state_of(service)
    if state is None:
        return Finding(
            "service-unsupervised",
            f"{service} has no status of its supervise",
            f"ls -la {name}/supervise",
        )
    if state.want == b"d":
        if os.path.lexists(f"{service}/down"):
            return None
        return Finding(
            "service-stopped",
            f"{service} is {'going ' if state.pid else ''}down, as it was told",
            f"svc -u {name}",
        )
    if state.paused:
        return Finding("service-paused", f"{service} is paused", f"svc -c {name}")
    if state.want != b"u":
        # svc -o, or -x: the operator's wish, and it was started.
        return None
    if state.pid and time.time() - state.since > machine.settle_seconds:
        return None
    log, last = last_words(machine, service)
    # SECURITY: qmaill could have put there a FIFO to hang on, or a link.
    is_log = os.path.isfile(log) and not os.path.islink(log)
    look = "tail" if is_log or not os.path.lexists(log) else "ls -la"
    return Finding(
        "service-loops", f"{service} does not stay up", f"{look} {quote(log)}", last
    )


def last_words(machine: Machine, service: str) -> tuple[str, str]:
    """Where a service logs, and the last line that is there."""
    name = os.path.basename(service.removesuffix("/log"))
    known = {"qmail-send": "qmail", "qmail-smtpd": "qmail/smtpd"}.get(name, name)
    directory = overview.log_of(machine.places, name)
    log = f"{directory or f'{machine.places.var_log}/{known}'}/current"
    try:
        lines = list(overview.log_lines(name, overview.tail(log)))
    except OSError:
        return log, ""
    # What the log's own supervise has to say goes elsewhere.
    return log, lines[-1].text if lines and not service.endswith("/log") else ""


def of_socket(machine: Machine) -> Iterator[Finding]:
    """The queue server is up, but is it to be found?"""
    path = f"{machine.home}/run/queued"
    service = f"{machine.places.service}/{machine.places.queued}"
    start = started_at(machine, machine.places.queued)
    if start is None or time.time() - start <= machine.settle_seconds:
        return
    if not os.path.exists(path):
        yield Finding(
            "queued-socket-missing",
            f"{path} does not exist, though {service} is up",
            f"svc -t {quote(service)}",
        )
