"""``sh inst_check``: does an installation follow the guide? And if not, what mends it?

Each finding is two lines, ``! what is wrong`` and ``...try: what to do``.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
import sys
import time
from collections.abc import Callable

from pytools.base.tai import unpack
from qmail.operator import hier
from qmail.operator.places import GROUPS, USERS, Owners, Places, SetupError

STATUS_BYTES = 18
SETTLED_SECONDS = 2
"""A service that has been up for longer does not die at its start."""
GUIDE_SERVICES = ("qmail-send", "qmail-smtpd")
RUN_FILES = ("run", "log/run")


class Findings:
    """What was found wrong, said as it is found."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, what: str, remedy: str) -> None:
        """One finding and its remedy."""
        self.count += 1
        print(f"! {what}")
        print(f"...try: {remedy}")


def main(argv: list[str]) -> int:
    """``inst_check [home]``; exit 0 if all is well, 1 if something was found."""
    places = Places(home=argv[1] if len(argv) > 1 else "/var/qmail")
    findings = Findings()
    check_accounts(findings)
    if findings.count == 0:
        try:
            owners = Owners()
        except SetupError as error:
            findings.add(str(error).splitlines()[0], "sh IDS")
        else:
            check_all(places, owners, findings)
    if findings.count:
        return 1
    print("Congratulations, your Qmail installation looks good!")
    return 0


def check_all(places: Places, owners: Owners, findings: Findings) -> None:
    """Everything that needs the users to exist."""
    checks: tuple[Callable[[Places, Owners, Findings], None], ...] = (
        check_home,
        check_control,
        check_scripts,
        check_logs,
        check_services,
        check_rules,
        check_aliases,
        check_other_mailers,
    )
    for check in checks:
        try:
            check(places, owners, findings)
        except PermissionError as error:
            findings.add(f"{error.filename} cannot be looked at", "be root: su")
            return


def check_accounts(findings: Findings) -> None:
    """The seven users and two groups of INSTALL.ids."""
    for name in GROUPS:
        try:
            grp.getgrnam(name)
        except KeyError:
            findings.add(f"group {name} does not exist", f"groupadd {name}")
    for name in USERS:
        try:
            pwd.getpwnam(name)
        except KeyError:
            group = "qmail" if name in ("qmailq", "qmailr", "qmails") else "nofiles"
            home = "/var/qmail/alias" if name == "alias" else "/var/qmail"
            findings.add(
                f"user {name} does not exist",
                f"useradd {name} -g {group} -d {home} -s /usr/sbin/nologin",
            )


def check_home(places: Places, owners: Owners, findings: Findings) -> None:
    """What make setup made, with its owners and modes."""
    for entry in (*hier.directories(), *hier.queue_files(), *hier.program_files()):
        path = os.path.normpath(os.path.join(places.home, entry.path))
        try:
            now = os.stat(path)
        except FileNotFoundError:
            findings.add(f"{path} does not exist", "make setup check")
            continue
        if now.st_uid != owners.uid(entry.owner):
            wrong_owner(findings, path, entry.owner)
        if now.st_gid != owners.gid(entry.group):
            findings.add(
                f"{path} has wrong group, should be {entry.group}",
                f"chgrp {entry.group} {path}",
            )
        if stat.S_IMODE(now.st_mode) != entry.mode:
            findings.add(
                f"{path} has wrong mode, should be {entry.mode:o}",
                f"chmod {entry.mode:o} {path}",
            )


def wrong_owner(findings: Findings, path: str, owner: str) -> None:
    """A finding in the words that the guide shows."""
    findings.add(f"{path} has wrong owner, should be {owner}", f"chown {owner} {path}")


def check_control(places: Places, owners: Owners, findings: Findings) -> None:
    """The control files that the guide has its reader make."""
    control = places.home + "/control"
    for name, remedy in (
        ("me", "./config-fast the.full.hostname"),
        ("rcpthosts", "./config-fast the.full.hostname"),
        ("concurrencyincoming", f"echo 20 > {control}/concurrencyincoming"),
        ("defaultdelivery", f"echo ./Maildir/ > {control}/defaultdelivery"),
    ):
        path = f"{control}/{name}"
        if not os.path.isfile(path):
            findings.add(f"{path} does not exist", remedy)
    for name in sorted(os.listdir(control)):
        path = f"{control}/{name}"
        if not os.path.isfile(path):
            continue
        with open(path, "rb") as file:
            data = file.read()
        if b"\r" in data:
            findings.add(
                f"{path} has CR at the end of lines", f"sed -i 's/\\r$//' {path}"
            )
        if not os.stat(path).st_mode & stat.S_IROTH:
            findings.add(f"{path} cannot be read by all", f"chmod 644 {path}")
        if name == "defaultdelivery" and data.strip() == b"./Maildir":
            findings.add(
                f"{path} says ./Maildir, which is an mbox file: no slash at its end",
                f"echo ./Maildir/ > {path}",
            )


def check_scripts(places: Places, owners: Owners, findings: Findings) -> None:
    """rc, qmailctl and the run files: there, and executable."""
    scripts = [f"{places.home}/rc", f"{places.home}/bin/qmailctl"]
    for service in (*GUIDE_SERVICES, "qmail-queued"):
        scripts += [f"{places.home}/supervise/{service}/{name}" for name in RUN_FILES]
    for path in scripts:
        if not os.path.isfile(path):
            findings.add(f"{path} does not exist", "create it as the guide shows it")
        elif not os.stat(path).st_mode & stat.S_IXUSR:
            findings.add(f"{path} is not executable", f"chmod 755 {path}")


def check_logs(places: Places, owners: Owners, findings: Findings) -> None:
    """The log directories belong to qmaill."""
    for path in ("/var/log/qmail", "/var/log/qmail/smtpd", places.queued_log):
        if not os.path.isdir(path):
            findings.add(f"{path} does not exist", f"mkdir -p {path}")
        elif os.stat(path).st_uid != owners.uid("qmaill"):
            wrong_owner(findings, path, "qmaill")


def check_services(places: Places, owners: Owners, findings: Findings) -> None:
    """The links in /service."""
    if not os.path.isdir(places.service):
        findings.add(f"{places.service} does not exist", "package/install")
        return
    links = {name: name for name in GUIDE_SERVICES}
    links[places.queued] = "qmail-queued"
    for name, directory in links.items():
        link = f"{places.service}/{name}"
        if not os.path.isdir(link):
            target = f"{places.home}/supervise/{directory}"
            findings.add(f"{link} does not exist", f"ln -s {target} {link}")
        else:
            for service in (link, f"{link}/log"):
                check_up(service, findings)


def check_up(service: str, findings: Findings) -> None:
    """A service that is to be up is; one that dies again and again says why in its log.

    One that the operator has taken down (svc -d) is meant to be down.
    """
    if not is_supervised(service):
        findings.add(f"{service} is not supervised", "package/install")
        return
    # It may have been started just now: look until it has had its time.
    deadline = time.monotonic() + SETTLED_SECONDS + 1
    while not is_settled(service):
        if time.monotonic() > deadline:
            name = os.path.basename(service.removesuffix("/log"))
            log = {"qmail-send": "qmail", "qmail-smtpd": "qmail/smtpd"}.get(name, name)
            findings.add(f"{service} does not stay up", f"tail /var/log/{log}/current")
            return
        time.sleep(0.2)


def is_supervised(service: str) -> bool:
    """True if a supervise has the service's ``ok`` open for reading, as for svok."""
    try:
        fd = os.open(f"{service}/supervise/ok", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    os.close(fd)
    return True


def is_settled(service: str) -> bool:
    """True if the service has been up for a while, or is not wanted up."""
    try:
        with open(f"{service}/supervise/status", "rb") as file:
            record = file.read()
    except OSError:
        return False
    if len(record) != STATUS_BYTES:
        return False
    pid, want = int.from_bytes(record[12:16], "little"), record[17:18]
    return want != b"u" or (pid != 0 and age_of(record) > SETTLED_SECONDS)


def age_of(record: bytes) -> float:
    """For how long the status of a service has been what it is, in seconds."""
    return time.time() - unpack(record[:12])[0]


def check_rules(places: Places, owners: Owners, findings: Findings) -> None:
    """tcpserver drops every connection while its rules are missing."""
    rules, cdb = "/etc/tcp.smtp", "/etc/tcp.smtp.cdb"
    if not os.path.isfile(cdb):
        findings.add(f"{cdb} does not exist", "qmailctl cdb")
    elif not os.stat(cdb).st_mode & stat.S_IROTH:
        findings.add(f"{cdb} cannot be read by all", f"chmod 644 {cdb}")
    elif os.path.isfile(rules) and os.stat(rules).st_mtime > os.stat(cdb).st_mtime:
        findings.add(f"{cdb} is older than {rules}", "qmailctl cdb")


def check_aliases(places: Places, owners: Owners, findings: Findings) -> None:
    """The system aliases."""
    for name in ("root", "postmaster", "mailer-daemon", "abuse"):
        path = f"{places.home}/alias/.qmail-{name}"
        if not os.path.isfile(path):
            findings.add(
                f"{path} does not exist", f"echo YOU > {path}; chmod 644 {path}"
            )


def check_other_mailers(places: Places, owners: Owners, findings: Findings) -> None:
    """Somebody else on port 25 keeps tcpserver from binding it."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as file:
                comm = file.read().strip()
        except OSError:
            continue
        if comm in ("sendmail", "exim4", "exim", "master", "smtpd", "opensmtpd"):
            findings.add(
                f"another mailer seems to run: {comm} (pid {pid})",
                f"stop and disable it, then look again: ps {pid}",
            )


if __name__ == "__main__":
    sys.exit(main(sys.argv))
