"""A trial instance on disk: everything an installation has, below one directory.

    command/ usr/ var/qmail/ var/log/ service/ etc/   as below / of a mail server
    home/       the one user's: his Maildir gets the mail for every local address
    var/qmail/sink/   the mail for all other addresses, a file each

The code is what make setup installs, the services are those of service-templates/.
Control files and rules that exist are kept, so that one can try things.
"""

from __future__ import annotations

import os
import subprocess
import sys

from qmail.operator import templates
from qmail.operator.places import HOME, Owners, Places, SetupError
from qmail.operator.setup import install
from qmail.operator.writing import write_by_rename

HOST = "trial.example"
SERVICES = ("qmail-queued", "qmail-send", "qmail-smtpd", "trial-sink")
LOGS = {
    "qmail-queued": "qmail-queued",
    "qmail-send": "qmail",
    "qmail-smtpd": "qmail/smtpd",
    "trial-sink": "trial-sink",
}
CONTROL = {
    "me": HOST,
    "locals": HOST,
    "rcpthosts": HOST,
    "concurrencyincoming": "20",
    "defaultdelivery": "./Maildir/",
}
RULE = '127.:allow,RELAYCLIENT=""\n'
TRIAL_SINK = """\
#!{python} -ISBXutf8
import sys
sys.path[:0] = [{lib!r}]
from qmail.operator.sink import main
sys.exit(main(sys.argv))
"""


class Instance:
    """The instance below ``root``; ``build`` makes what is missing or has changed."""

    def __init__(self, root: str, port: int, remote: bool) -> None:
        self.root = root
        self.port = port
        self.sink_port = port + 1
        self.remote = remote
        self.places = Places(root + HOME, root)
        self.maildir = f"{root}/home/Maildir"
        self.sink = f"{self.places.home}/sink"

    def build(self, wheels: str | None) -> None:
        """Install and configure; nothing is started."""
        os.makedirs(self.places.service, exist_ok=True)
        lib = install(self.places, Owners(trial=True), wheels)
        self._write("trial", f"{os.getuid()} {os.getgid()}\n")
        for name, value in CONTROL.items():
            if not os.path.exists(f"{self.places.home}/control/{name}"):
                self._write(f"control/{name}", value + "\n")
        self._assign_addresses()
        self._route()
        self._make_rules()
        self._make_services()
        os.makedirs(self.sink, exist_ok=True)
        python = os.path.realpath(sys.executable)
        script = TRIAL_SINK.format(python=python, lib=lib)
        self._write("bin/trial-sink", script, 0o755)

    def _write(self, name: str, text: str, mode: int = 0o644) -> None:
        path = f"{self.places.home}/{name}"
        data = text.encode(errors="surrogateescape")
        write_by_rename(path, data, mode, os.getuid(), os.getgid())

    def _assign_addresses(self) -> None:
        # SECURITY: with users/cdb nobody's .qmail files outside are ever looked at.
        home = f"{self.root}/home"
        os.makedirs(home, exist_ok=True)
        if not os.path.isdir(self.maildir):
            self.run([f"{self.places.home}/bin/maildirmake", self.maildir])
        default = f"{home}/.qmail-default"
        if not os.path.exists(default):
            with open(default, "w") as file:
                file.write("./Maildir/\n")
        numbers = f"{os.getuid()}:{os.getgid()}"
        self._write("users/assign", f"+:trial:{numbers}:{home}:-::\n.\n")
        self.run([f"{self.places.home}/bin/qmail-newu"])

    def _route(self) -> None:
        routes = f"{self.places.home}/control/smtproutes"
        if not self.remote:
            line = f":{templates.TRIAL_ADDRESS}:{self.sink_port}\n"
            self._write("control/smtproutes", line)
        elif os.path.exists(routes):
            os.unlink(routes)

    def _make_rules(self) -> None:
        rules = self.places.rules
        os.makedirs(os.path.dirname(rules), exist_ok=True)
        if not os.path.exists(rules):
            with open(rules, "w") as file:
                file.write(RULE)
        tcprules = f"{self.places.local_bin}/tcprules"
        with open(rules, "rb") as file:
            self.run([tcprules, f"{rules}.cdb", f"{rules}.tmp"], file.read())

    def _make_services(self) -> None:
        changes = templates.trial(self.places, self.port, self.sink_port)
        self._write("rc", templates.render("rc", changes).decode(), 0o755)
        for service in SERVICES:
            directory = f"{self.places.home}/supervise/{service}"
            os.makedirs(f"{directory}/log", exist_ok=True)
            for name in templates.RUN_FILES:
                script = templates.render(f"{service}/{name}", changes)
                self._write(f"supervise/{service}/{name}", script.decode(), 0o755)
            os.makedirs(self.log_of(service), exist_ok=True)
            link = f"{self.places.service}/{service}"
            if not os.path.lexists(link):
                os.symlink(directory, link)

    def log_of(self, service: str) -> str:
        """The directory of a service's log."""
        return f"{self.places.var_log}/{LOGS[service]}"

    def run(self, command: list[str], stdin: bytes = b"", cwd: str = "/") -> str:
        """Run a program of the instance to its end; its output."""
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            cwd=cwd,
            check=False,
            timeout=60,
            # Ctrl-C is for the trial, which ends when it has seen the answer.
            start_new_session=True,
        )
        if done.returncode != 0:
            words = done.stderr.decode(errors="replace").strip()
            name = os.path.basename(command[0])
            raise SetupError(f"{name} exited {done.returncode}: {words}")
        return done.stdout.decode(errors="replace")
