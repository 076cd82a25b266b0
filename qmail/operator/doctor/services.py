"""The services: scanned, supervised, up, and staying so."""

from __future__ import annotations

import errno
import os
import pwd
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from pytools.base.tai import unpack
from qmail.operator import overview, running
from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine, quote, read, text
from qmail.operator.doctor.tree import GUIDE_SERVICES, service_names
from qmail.operator.overview import NotRegularError

STATUS_BYTES = 18
PAUSE_SECONDS = 0.2
LOGGER = re.compile(
    rb"^\s*(?:exec\s+)?\S*setuidgid\s+([\w-]+)(?:\s|\\\n)+\S*multilog\s", re.MULTILINE
)
"""A line that starts multilog as a user."""


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


def check_proc(machine: Machine) -> Iterator[Finding]:
    """/proc, without which svscan would seem not to run, and would be started twice."""
    if not running.is_told(machine.proc):
        yield Finding(
            "proc-missing",
            f"{machine.proc} is not mounted, so no process was looked for",
            f"mount -t proc proc {quote(machine.proc)}",
        )


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
    if os.path.isdir(machine.path("/run/systemd/system")):
        if any(
            os.path.exists(machine.path(f"{directory}/svscanboot.service"))
            for directory in ("/etc/systemd/system", "/lib/systemd/system")
        ):
            return "systemctl restart svscanboot"
        # At the next boot, too.
        return f"cd {quote(machine.source)} && package/install"
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
        return Finding(
            "service-unsupervised",
            f"{service} is not supervised",
            titles(machine),
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
    return of_private(machine, service) or of_loop(machine, service)


def of_loop(machine: Machine, service: str) -> Finding:
    """A service that does not stay up, and where it says why."""
    if service.endswith("/log"):
        # What multilog has to say goes with svscan's own words.
        last = last_title(machine)
        look = titles(machine)
    else:
        log, last = last_words(machine, service)
        # SECURITY: qmaill could have put there a FIFO to hang on, or a link.
        is_log = os.path.isfile(log) and not os.path.islink(log)
        look = f"{'tail' if is_log else 'ls -la'} {quote(log)}"
        if not os.path.lexists(log):
            look = titles(machine)
    return Finding("service-loops", f"{service} does not stay up", look, last)


def of_private(machine: Machine, service: str) -> Finding | None:
    """A log whose multilog runs as a user who may not look at its directory.

    multilog(8) opens the directory that it is started in, and comes back to it.
    """
    if not service.endswith("/log"):
        return None
    try:
        found = LOGGER.search(read(f"{service}/run"))
        user = machine.getpwnam(text(found[1])) if found else None
        now = os.stat(service)
    except (OSError, KeyError):
        return None
    if user is None or user.pw_uid == 0 or is_open_to(now, user):
        return None
    private = [
        path
        for path in (os.path.dirname(service), service)
        if not is_open_to(os.stat(path), user)
    ]
    is_safe = all(map(machine.is_in_roots_hands, private))
    real = [quote(os.path.realpath(path)) for path in private]
    return Finding(
        "service-private",
        f"{user.pw_name} cannot enter {os.path.realpath(service)}",
        f"chmod 755 {' '.join(real)}" if is_safe else f"namei -l {quote(service)}",
    )


def is_open_to(now: os.stat_result, user: pwd.struct_passwd) -> bool:
    """True if a user may list a directory and enter it."""
    shift = 6 if now.st_uid == user.pw_uid else 3 if now.st_gid == user.pw_gid else 0
    return now.st_mode >> shift & 0o5 == 0o5


def titles(machine: Machine) -> str:
    """The command that shows what goes to no log: readproctitle's title has it."""
    where = f"{machine.proc}/[0-9]*/cmdline"
    return f"cat {where} | tr '\\0' '\\n' | grep readproctitle"


def last_title(machine: Machine) -> str:
    """The last line in readproctitle's title, or nothing."""
    for pid in filter(str.isdigit, os.listdir(machine.proc)):
        try:
            title = read(f"{machine.proc}/{pid}/cmdline").rstrip(b"\0")
        except OSError:
            continue
        if title.startswith(b"readproctitle "):
            # After the last end of a line there may be a part of one.
            lines = title.partition(b"...")[2].split(b"\n")
            whole = [line for line in lines[:-1] if line.strip(b". ")]
            return text(whole[-1]) if whole else ""
    return ""


def last_words(machine: Machine, service: str) -> tuple[str, str]:
    """Where a service logs, and the last line that is there."""
    name = os.path.basename(service)
    known = {"qmail-send": "qmail", "qmail-smtpd": "qmail/smtpd"}.get(name, name)
    directory = overview.log_of(machine.places, name)
    log = f"{directory or f'{machine.places.var_log}/{known}'}/current"
    try:
        lines = list(overview.log_lines(name, overview.tail(log)))
    except OSError:
        return log, ""
    return log, lines[-1].text if lines else ""


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
