"""A made-up machine for the doctor: an installation that follows the guide, in a
directory of the test's, with a /proc of its own and services that nobody runs."""

from __future__ import annotations

import grp
import os
import pwd
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from pytools.base import tai
from pytools.supervision import status
from qmail.operator import hier, ownership, templates
from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine
from qmail.operator.places import Owners, Places
from qmail.operator.processes import Holder

HOST = "foobar.example.com"
SERVICES = ("qmail-send", "qmail-smtpd", "qmail-queued")
OWN = Holder(77, "tcpserver", "root")
"""tcpserver on port 25, where it should be."""
SERVER = (
    "tcpserver -v -R -l foobar.example.com -x /etc/tcp.smtp.cdb -c 20 -u 1 -g 2 0 smtp"
    " /var/qmail/bin/qmail-smtpd\0"
)
"""Its title, as setproctitle leaves it."""
Check = Callable[[Machine], Iterator[Finding]]


class Scene:
    """``machine`` is what checks get; the rest changes it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "var/qmail"
        self.control = self.home / "control"
        self.proc = root / "proc"
        self.fds: list[int] = []
        self.uid, self.gid = os.geteuid(), os.getegid()
        owners = Owners(trial=True, numbers=(self.uid, self.gid))
        self.machine = Machine(
            places=Places(home=str(self.home), prefix=str(root)),
            proc=str(self.proc),
            search_path=f"{root}/usr/local/bin:{root}/usr/bin",
            euid=0,
            owners=owners,
            getpwnam=self.account,
            getgrnam=lambda name: grp.struct_group((name, "x", self.gid, [])),
            getpwall=lambda: [self.dave],
            listener=lambda port: OWN,
            own_addresses=frozenset,
            settle_seconds=0.0,
            notice_seconds=0.0,
            source="/src",
        )
        self.dave = pwd.struct_passwd(
            ("dave", "x", 1000, 1000, "", "/home/dave", "/bin/sh")
        )

    def account(self, name: str) -> pwd.struct_passwd:
        return pwd.struct_passwd((name, "x", self.uid, self.gid, "", "/", "/bin/false"))

    def build(self) -> None:
        """All that the guide has its reader make."""
        assert self.machine.owners is not None
        for entry in (*hier.directories(), *hier.queue_files()):
            ownership.make(str(self.home), entry, self.machine.owners)
        for entry in (*hier.program_files(), *hier.boot_files()):
            path = self.home / entry.path
            path.write_bytes(b"#!/bin/sh\n")
            path.chmod(entry.mode)
        for directory in (
            "etc",
            "usr/sbin",
            "usr/bin",
            "usr/local/bin",
            "command",
            "service",
            "home/dave",
            "proc/net",
            "proc/self",
            "proc/55",
        ):
            (self.root / directory).mkdir(parents=True)
        for name in ("rc", "qmailctl"):
            to = self.home / ("bin/qmailctl" if name == "qmailctl" else name)
            self.script(to, name)
        for service in SERVICES:
            for run in templates.RUN_FILES:
                self.script(self.home / "supervise" / service / run, f"{service}/{run}")
            link = self.root / "service" / service
            link.symlink_to(self.home / "supervise" / service)
            self.supervised(service)
            self.supervised(f"{service}/log")
        for log in ("qmail/smtpd", "qmail-queued"):
            (self.root / "var/log" / log).mkdir(parents=True)
        for name, text in (
            ("me", f"{HOST}\n"),
            ("locals", f"{HOST}\nlocalhost\n"),
            ("rcpthosts", f"{HOST}\n"),
            ("defaultdelivery", "./Maildir/\n"),
            ("concurrencyincoming", "20\n"),
        ):
            self.put(f"var/qmail/control/{name}", text)
        self.put("etc/tcp.smtp", '127.:allow,RELAYCLIENT=""\n:allow\n')
        empty = struct.pack("<II", 2048, 0) * 256
        self.put("etc/tcp.smtp.cdb", empty)
        for name in ("root", "postmaster", "mailer-daemon", "abuse"):
            self.put(f"var/qmail/alias/.qmail-{name}", "dave\n")
        self.put("proc/55/comm", "svscan\n")
        self.put("proc/77/cmdline", SERVER)
        (self.proc / "55/cwd").symlink_to(self.root / "service")
        self.put("proc/net/tcp6", "heading\n")
        self.put("proc/net/if_inet6", "")
        (self.home / "run/queued").touch()
        sendmail = self.root / "usr/sbin/sendmail"
        sendmail.symlink_to(self.home / "bin/sendmail")

    def script(self, path: Path, template: str) -> None:
        """A script of the guide's, for these places."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            templates.render(template, templates.paths(self.machine.places))
        )
        path.chmod(0o755)

    def put(self, path: str, content: str | bytes, mode: int = 0o644) -> Path:
        """A file below the root."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        place.write_bytes(data)
        place.chmod(mode)
        return place

    def supervised(
        self,
        service: str,
        pid: int = 77,
        seconds: float = 1000,
        paused: bool = False,
        want: bytes = b"u",
    ) -> None:
        """A service as its supervise shows it."""
        directory = self.root / "service" / service / "supervise"
        directory.mkdir(parents=True, exist_ok=True)
        if not (directory / "ok").exists():
            os.mkfifo(directory / "ok")
            self.fds.append(os.open(directory / "ok", os.O_RDONLY | os.O_NONBLOCK))
        stamp = tai.pack(int(time.time() - seconds), 0)
        (directory / "status").write_bytes(status.pack(stamp, pid, paused, want))

    def unsupervised(self) -> None:
        """Every supervise has gone."""
        while self.fds:
            os.close(self.fds.pop())

    def change(self, **fields: object) -> None:
        """Another machine, in some respect."""
        self.machine = replace(self.machine, **fields)  # type: ignore[arg-type]

    def found(self, check: Check) -> list[tuple[str, str]]:
        """(code, command) of each finding; no path in them shows the test's root."""
        said = [one.as_dict() for one in check(self.machine)]
        return [(one["code"], one["try"].replace(str(self.root), "")) for one in said]

    def codes(self, check: Check) -> list[str]:
        """The codes alone."""
        return [code for code, _ in self.found(check)]
