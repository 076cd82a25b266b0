"""Where an installation puts its parts, and whom they belong to."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass

USERS = ("alias", "qmaild", "qmaill", "qmailp", "qmailq", "qmailr", "qmails")
GROUPS = ("qmail", "nofiles")
HOME = "/var/qmail"


class SetupError(Exception):
    """An installation cannot go on; the text says why and what to try."""


@dataclass(frozen=True)
class Places:
    """The directories of one installation; ``prefix`` moves all but the qmail home."""

    home: str = HOME
    prefix: str = ""

    @property
    def command(self) -> str:
        """daemontools."""
        return self.prefix + "/command"

    @property
    def local_bin(self) -> str:
        """ucspi-tcp, links to daemontools, and the operator's command."""
        return self.prefix + "/usr/local/bin"

    @property
    def runtimes(self) -> str:
        """A directory a version."""
        return self.prefix + "/usr/local/lib/pyqmail"

    @property
    def service(self) -> str:
        """What svscan scans."""
        return self.prefix + "/service"

    @property
    def var_log(self) -> str:
        """Where the log services write, a directory each."""
        return self.prefix + "/var/log"

    @property
    def queued(self) -> str:
        """The name in /service of the queue server, and of its log's directory.

        Each qmail home has a queue server; only the guide's has the plain name.
        """
        if self.home in (HOME, self.prefix + HOME):
            return "qmail-queued"
        return "qmail-queued-" + self.home.strip("/").replace("/", "-")

    @property
    def queued_log(self) -> str:
        """The log of the queue server; the guide makes /var/log/qmail itself, later."""
        return f"{self.var_log}/{self.queued}"

    @property
    def rules(self) -> str:
        """The rules of the SMTP service as text; the cdb is beside it."""
        return self.prefix + "/etc/tcp.smtp"

    @property
    def is_trial(self) -> bool:
        """True for a trial instance, in which one user plays all the roles."""
        return os.path.exists(self.home + "/trial")

    @classmethod
    def of_home(cls, home: str) -> Places:
        """The places of an installation of which only the home is known."""
        prefix = home.removesuffix(HOME)
        trial = cls(home, prefix if prefix != home else "")
        return trial if trial.is_trial else cls(home)


class Owners:
    """Uids and gids by name; one user plays every role in a trial instance."""

    def __init__(
        self, trial: bool = False, numbers: tuple[int, int] | None = None
    ) -> None:
        self.trial = trial
        self._one = numbers or (os.getuid(), os.getgid())
        self._uids: dict[str, int] = {}
        self._gids: dict[str, int] = {}
        if trial:
            return
        missing: list[str] = []
        for name in USERS:
            try:
                self._uids[name] = pwd.getpwnam(name).pw_uid
            except KeyError:
                missing.append(f"user {name}")
        for name in GROUPS:
            try:
                self._gids[name] = grp.getgrnam(name).gr_gid
            except KeyError:
                missing.append(f"group {name}")
        if missing:
            raise SetupError(
                f"no {', no '.join(missing)} on this machine\n"
                "...try: cp INSTALL.ids IDS, keep the lines for your system, sh IDS"
            )

    @classmethod
    def of(cls, places: Places) -> Owners:
        """Those of an installation, which may be a trial instance of another user's."""
        try:
            with open(places.home + "/trial") as file:
                uid, gid = (int(word) for word in file.read().split())
        except FileNotFoundError:
            return cls()
        return cls(trial=True, numbers=(uid, gid))

    def uid(self, name: str) -> int:
        """The number of a user."""
        if self.trial:
            return self._one[0]
        return 0 if name == "root" else self._uids[name]

    def gid(self, name: str) -> int:
        """The number of a group."""
        if self.trial:
            return self._one[1]
        return 0 if name == "root" else self._gids[name]
