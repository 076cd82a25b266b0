"""``make mailserver HOST=mail.example.com``: the whole guide in one command.

Everything the guide has its reader do, in the guide's order, from the service templates.
What exists is kept: control files, rules, aliases and scripts are the operator's. So it
can be run again, to finish what was interrupted or to bring the programs up to date.
COMPAT: where the guide leaves the choice of defaultdelivery (and shows the name of an
mbox by mistake) this writes ./Maildir/, with the slash.
"""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import sys
import time
from collections.abc import Callable

from qmail.operator import (
    accounts,
    config,
    inst_check,
    interpreter,
    preflight,
    runtime,
    services,
    setup,
    templates,
)
from qmail.operator.places import Owners, Places, SetupError
from qmail.operator.writing import write_by_rename

SERVICES = ("qmail-send", "qmail-smtpd")
PATIENCE_SECONDS = 30.0
RULE = '127.:allow,RELAYCLIENT=""\n'
ALIASES = ("root", "postmaster", "mailer-daemon", "abuse")
LINKED_ALIASES = ("mailer-daemon", "abuse")


class MailServer:
    """The steps of the guide; each makes only what is missing, and says so."""

    def __init__(self, places: Places, host: str, admin: str) -> None:
        self.places = places
        self.host = host
        self.admin = admin
        self.owners: Owners
        self.control = f"{places.home}/control"

    def install(self, wheels: str | None) -> None:
        """Users, programs, control files, svscan."""
        # The libraries first: without a network nothing at all has happened yet.
        python = interpreter.versioned(sys.executable)
        print("Installing the programs...")
        before = self.launcher()
        runtime.build(self.places.runtimes, python, wheels)
        accounts.create_missing()
        self.owners = Owners()
        setup.install(self.places, self.owners, wheels)
        self.configure()
        services.install(self.places, f"{self.places.command}/svscanboot")
        if before not in (b"", self.launcher()):
            print("The programs are new; services that run get them by a restart:")
            print("...try: svc -t /service/qmail-queued; qmailctl restart")

    def launcher(self) -> bytes:
        """A program as it is installed now; it names its runtime."""
        try:
            with open(f"{self.places.home}/bin/qmail-send", "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    def configure(self) -> None:
        """config-fast on a fresh home; one that has its name keeps it."""
        me = f"{self.control}/me"
        if not os.path.exists(me):
            config.config_fast(self.places.home, self.host)
        with open(me, errors="surrogateescape") as file:
            name = file.readline().strip()
        if name != self.host:
            print(f"Keeping control/me: this server's name is {name}.")
            print(f"...to change it: echo {self.host} > {me}, and look at the others")
        self.keep(f"{self.control}/rcpthosts", f"{name}\n")

    def keep(self, path: str, text: str, mode: int = 0o644) -> bool:
        """Make a file of root's unless there is one; True if it was made."""
        if os.path.lexists(path):
            return False
        print(f"Creating {path}...")
        data = text.encode(errors="surrogateescape")
        write_by_rename(path, data, mode, 0, 0)
        return True

    def script(self, path: str, template: str) -> None:
        """A script of the guide's, unless there is one."""
        data = templates.render(template, templates.paths(self.places))
        self.keep(path, data.decode(), 0o755)

    def prepare_services(self) -> None:
        """From "Start Qmail" to the log directories: nothing of it is started yet."""
        home = self.places.home
        self.script(f"{home}/rc", "rc")
        if self.keep(f"{self.control}/defaultdelivery", "./Maildir/\n"):
            print(
                "Mail goes to ./Maildir/ in each user's home: a Maildir, by the slash."
            )
        self.script(f"{home}/bin/qmailctl", "qmailctl")
        link_unless_there(f"{home}/bin/qmailctl", "/usr/bin/qmailctl")
        for service in SERVICES:
            directory = f"{home}/supervise/{service}"
            os.makedirs(f"{directory}/log", mode=0o755, exist_ok=True)
            for name in templates.RUN_FILES:
                self.script(f"{directory}/{name}", f"{service}/{name}")
        self.keep(f"{self.control}/concurrencyincoming", "20\n")
        for log in (
            f"{self.places.var_log}/qmail",
            f"{self.places.var_log}/qmail/smtpd",
        ):
            setup.make_log_directory(log, self.owners)

    def make_rules(self) -> None:
        """/etc/tcp.smtp and its cdb, before tcpserver could miss them."""
        rules = self.places.rules
        made = self.keep(rules, RULE)
        if made or not os.path.exists(f"{rules}.cdb"):
            run([f"{self.places.home}/bin/qmailctl", "cdb"])

    def make_aliases(self) -> None:
        """root and postmaster, and two names for postmaster."""
        alias = f"{self.places.home}/alias"
        missing = [n for n in ALIASES if not os.path.lexists(f"{alias}/.qmail-{n}")]
        if not missing:
            return
        line = f"&{self.admin}" if self.admin else "./Maildir/"
        for name in missing:
            if name in LINKED_ALIASES:
                link_unless_there(".qmail-postmaster", f"{alias}/.qmail-{name}")
            else:
                self.keep(f"{alias}/.qmail-{name}", f"{line}\n")
        if self.admin:
            print(f"Mail for {', '.join(missing)} goes to {self.admin}.")
            if "@" not in self.admin:
                self.make_maildir(self.admin)
        else:
            print(f"Mail for {', '.join(missing)} is kept in {alias}/Maildir.")
            print(
                f"...to have it: echo YOU > {alias}/.qmail-postmaster, and .qmail-root"
            )
            self.make_maildir("alias")

    def make_maildir(self, user: str) -> None:
        """Give a user his Maildir, as him: his home is his."""
        entry = pwd.getpwnam(user)
        maildir = f"{entry.pw_dir}/Maildir"
        if os.path.lexists(maildir) or not os.path.isdir(entry.pw_dir):
            return
        print(f"Creating {maildir}...")
        run(
            [f"{self.places.home}/bin/maildirmake", maildir],
            user=entry.pw_uid,
            group=entry.pw_gid,
        )

    def start(self) -> None:
        """Link the services, and wait until all are up."""
        for service in SERVICES:
            target = f"{self.places.home}/supervise/{service}"
            link_unless_there(target, f"{self.places.service}/{service}")
        names = [name for one in SERVICES for name in (one, f"{one}/log")]
        names += ["qmail-queued", "qmail-queued/log"]
        print("Waiting for the services...")
        svok = f"{self.places.local_bin}/svok"

        def are_supervised() -> bool:
            paths = [f"{self.places.service}/{name}" for name in names]
            return all(subprocess.call([svok, path]) == 0 for path in paths)

        await_condition(are_supervised, "all services supervised")
        run([f"{self.places.home}/bin/qmailctl", "start"])
        await_condition(
            lambda: all(preflight.supervised_pid(self.places, n) for n in names),
            "all services up",
        )

    def report(self) -> int:
        """inst_check and qmailctl stat, and what is left to do."""
        sys.stdout.flush()
        code = inst_check.main(["inst_check", self.places.home])
        sys.stdout.flush()
        subprocess.run([f"{self.places.home}/bin/qmailctl", "stat"], check=False)
        home = self.places.home
        print("Each user needs a Maildir; as the user:")
        print(f"    {home}/bin/maildirmake ~/Maildir")
        return code


def link_unless_there(target: str, path: str) -> None:
    """Make a symbolic link, unless something has that name."""
    if not os.path.lexists(path):
        print(f"Linking {path}...")
        os.symlink(target, path)


def run(command: list[str], user: int | None = None, group: int | None = None) -> None:
    """Run a program of ours; what it prints on failure is in the SetupError."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        user=user,
        group=group,
        extra_groups=None if user is None else [],
        cwd="/",
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise SetupError(f"{' '.join(command)} failed: {said}")


def await_condition(condition: Callable[[], bool], what: str) -> None:
    """Wait for it, but not for ever."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SetupError(
                f"not within {PATIENCE_SECONDS:.0f} s: {what}\n"
                "...try: qmailctl stat; tail /var/log/qmail/current; "
                "ps ax | grep readproctitle"
            )
        time.sleep(0.05)


def find_admin() -> str:
    """Who reads postmaster's mail: $ADMIN, or who called sudo; "" for nobody."""
    admin = os.environ.get("ADMIN") or os.environ.get("SUDO_USER", "")
    if re.fullmatch(r"[^@\s]+@[^@\s]+", admin):
        return admin
    try:
        if pwd.getpwnam(admin).pw_uid:
            return admin
    except KeyError:
        pass
    if os.environ.get("ADMIN"):
        # qmail delivers nothing to root: that would go round for ever.
        raise SetupError(
            f"ADMIN={admin} is no user who can get mail\n"
            "...try: a user of this machine but root, or an address"
        )
    return ""


def main(argv: list[str]) -> int:
    """``mailserver HOST``; $ADMIN, $WHEELS and $PYTHON may say more."""
    os.umask(0o022)
    places = Places()
    host = argv[1].strip().lower() if len(argv) > 1 else ""
    try:
        preflight.check(places, host)
        server = MailServer(places, host, find_admin())
        server.install(os.environ.get("WHEELS"))
        server.prepare_services()
        server.make_rules()
        server.make_aliases()
        server.start()
        return server.report()
    except SetupError as error:
        sys.stdout.flush()
        print(f"mailserver: fatal: {error}", file=sys.stderr)
    except OSError as error:
        sys.stdout.flush()
        where = f" {error.filename}" if error.filename else ""
        what = error.strerror or str(error)
        print(f"mailserver: fatal: unable to install{where}: {what}", file=sys.stderr)
    return 111


if __name__ == "__main__":
    sys.exit(main(sys.argv))
