"""Port 25: who has it, who else is a mail system here, and whether IPv6 gets there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from qmail.operator.doctor import dns
from qmail.operator.doctor.addresses import global_ip6, listening
from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine, amend, quote, read, text
from qmail.operator.doctor.services import state_of
from qmail.operator.doctor.tree import service_names
from qmail.operator.processes import ANY_IP6, MAPPED_IP4, Holder

PORT = 25
MAILERS = ("sendmail", "exim4", "exim", "master", "smtpd", "opensmtpd")
"""Process names of other mail systems; master is Postfix's."""
MAILER_PATHS = {"master": "postfix", "smtpd": "smtpd"}
"""Names that others have, too: what the path of the program must have in it."""
UNIT = re.compile(
    r"^[^\n]*:/system\.slice/(?:[^/\n]+\.slice/)*([^/\n]+\.service)$", re.MULTILINE
)
"""SECURITY: the system's units only; any user names units of his own as he likes."""
MAX_DEPTH = 64
"""Of processes that start each other."""
OWN_UNITS = ("svscanboot.service", "init.service")


def check_port(machine: Machine) -> Iterator[Finding]:
    """Nobody but the service has the port, and no other mail system runs."""
    holder = machine.listener(PORT)
    if holder is not None and not is_service(machine, holder.pid):
        yield Finding(
            "port-taken",
            f"port {PORT} is taken by {holder}",
            stop(machine, holder),
        )
    for pid in filter(str.isdigit, os.listdir(machine.proc)):
        try:
            with open(f"{machine.proc}/{pid}/comm") as file:
                name = file.read().strip()
        except (OSError, ValueError):
            continue
        is_holder = holder is not None and holder.pid == int(pid)
        if name in MAILERS and not is_holder and is_mailer(machine, pid, name):
            yield Finding(
                "other-mailer",
                f"another mailer seems to run: {name} (pid {pid})",
                stop(machine, Holder(int(pid), name, "")),
            )


def is_mailer(machine: Machine, pid: str, name: str) -> bool:
    """True if it is what its name says, and not in a container."""
    place = f"{machine.proc}/{pid}"
    try:
        if name in MAILER_PATHS and MAILER_PATHS[name] not in os.readlink(
            f"{place}/exe"
        ):
            return False
        return all(
            os.readlink(f"{place}/ns/{kind}")
            == os.readlink(f"{machine.proc}/self/ns/{kind}")
            for kind in ("pid", "net")
        )
    except OSError:
        # It has just ended, or the kernel does not tell.
        return os.path.exists(f"{place}/comm")


def is_service(machine: Machine, pid: int) -> bool:
    """True for a service, and what it has started: its run may not exec its program."""
    own = service_pids(machine)
    for _ in range(MAX_DEPTH):
        if pid in own:
            return True
        if pid <= 1:
            return False
        pid = parent_of(machine, pid)
    return False


def parent_of(machine: Machine, pid: int) -> int:
    """The process that started one, 0 if the kernel does not tell; proc_pid_stat(5)."""
    try:
        stat = read(f"{machine.proc}/{pid}/stat")
        return int(stat.rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def service_pids(machine: Machine) -> set[int]:
    """The processes of all services, and of the one that is not linked any more."""
    scanned = machine.places.service
    directories = [f"{scanned}/{name}" for name in service_names(machine)]
    directories.append(f"{machine.home}/supervise/qmail-smtpd")
    states = map(state_of, directories)
    return {state.pid for state in states if state and state.pid}


def stop(machine: Machine, holder: Holder) -> str:
    """The command that ends it, for good where systemd started it."""
    if holder.pid == 0:
        return f"ss -ltnp sport = :{PORT}"
    if holder.name in ("inetd", "openbsd-inetd"):
        inetd = machine.path("/etc/inetd.conf")
        return f"{amend(inetd, 's/^smtp/#&/')} && kill -HUP {holder.pid}"
    if holder.pid == 1:
        return f"systemctl list-sockets | grep ':{PORT}'"
    if os.path.isdir(machine.path("/run/systemd/system")):
        try:
            cgroup = text(read(f"{machine.proc}/{holder.pid}/cgroup"))
        except OSError:
            cgroup = ""
        found = UNIT.search(cgroup)
        if found and found[1] not in OWN_UNITS:
            return f"systemctl disable --now {quote(found[1])}"
    return f"kill {holder.pid}"


def check_ip6(machine: Machine) -> Iterator[Finding]:
    """Who has an IPv6 address, or says so in DNS, is to listen there.

    COMPAT: tcpserver of the original knows no IPv6, so the guide's 0 is all it has.
    """
    listens = has_ip6_listener(machine)
    if listens or machine.listener(PORT) is None:
        # Nobody listens at all: that is another finding's.
        return
    addresses = global_ip6(machine)
    me = machine.control_line("me")
    found = dns.first_answer(machine, me, dns.AAAA) if me else None
    if found is not None and found.addresses:
        what = f"{me} has the address {found.addresses[0]} in DNS"
    elif addresses:
        what = f"this machine has the address {addresses[0]}"
        if found is not None and found.is_definite:
            what += f" (which DNS does not give for {me})"
    else:
        return
    run = f"{machine.home}/supervise/qmail-smtpd/run"
    yield Finding(
        "ipv6-no-listener",
        f"{what}, but nobody listens on port {PORT} of IPv6",
        f"{amend(run, 's/ 0 smtp / :: smtp /')} && "
        f"svc -t {quote(f'{machine.places.service}/qmail-smtpd')}",
    )


def has_ip6_listener(machine: Machine) -> bool:
    """True if some process listens on an address of IPv6."""
    for words in listening(machine, PORT, "net/tcp6"):
        address = words[1].partition(":")[0]
        loopback = "0" * 24 + "01000000"
        if address == ANY_IP6 or not address.startswith((MAPPED_IP4, loopback)):
            return True
    return False
