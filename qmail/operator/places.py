"""Where an installation puts its parts, and whom they belong to."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass

USERS = ("alias", "qmaild", "qmaill", "qmailp", "qmailq", "qmailr", "qmails")
GROUPS = ("qmail", "nofiles")


class SetupError(Exception):
    """An installation cannot go on; the text says why and what to try."""


@dataclass(frozen=True)
class Places:
    """The directories of one installation; ``prefix`` moves all but the qmail home."""

    home: str = "/var/qmail"
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
    def queued_log(self) -> str:
        """The log of the queue server; the guide makes /var/log/qmail itself, later."""
        return self.prefix + "/var/log/qmail-queued"


class Owners:
    """Uids and gids by name; one user plays every role in a trial instance."""

    def __init__(self, trial: bool = False) -> None:
        self.trial = trial
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

    def uid(self, name: str) -> int:
        """The number of a user."""
        if self.trial:
            return os.getuid()
        return 0 if name == "root" else self._uids[name]

    def gid(self, name: str) -> int:
        """The number of a group."""
        if self.trial:
            return os.getgid()
        return 0 if name == "root" else self._gids[name]
