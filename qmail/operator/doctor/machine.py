"""The machine that is looked at: all that a check may know about it.

Every path is the installation's (Places) or behind its prefix, and what the kernel and
the system say comes through a function that a test can replace.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import shlex
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from qmail.control import ipme
from qmail.operator import processes
from qmail.operator.places import Owners, Places, SetupError
from qmail.operator.runtime import SOURCE

MAX_BYTES = 4 << 20
"""Of a file that is read whole."""
GUIDE_SOURCE = "/usr/local/src/netqmail-1.06"
FIRST_UID, LAST_UID = 1000, 59999
"""Users of flesh and blood, by the defaults of login.defs(5)."""
NO_SHELLS = ("nologin", "false", "sync", "halt", "shutdown")

quote = shlex.quote


def _owners() -> Owners | None:
    try:
        return Owners()
    except SetupError:
        return None


@dataclass(frozen=True)
class Machine:
    """An installation, and the system around it."""

    places: Places = field(default_factory=Places)
    proc: str = "/proc"
    search_path: str = field(default_factory=lambda: os.environ.get("PATH", ""))
    euid: int = field(default_factory=os.geteuid)
    now: Callable[[], float] = time.time
    owners: Owners | None = field(default_factory=_owners)
    """None while users or groups are missing."""
    getpwnam: Callable[[str], pwd.struct_passwd] = pwd.getpwnam
    getpwall: Callable[[], list[pwd.struct_passwd]] = pwd.getpwall
    getgrnam: Callable[[str], grp.struct_group] = grp.getgrnam
    listener: Callable[[int], processes.Holder | None] = processes.listener
    own_addresses: Callable[[], frozenset[bytes]] = ipme.own_addresses
    dns_port: int = 53
    settle_seconds: float = 2.0
    """A service that has been up for longer does not die at its start."""
    notice_seconds: float = 6.0
    """Within so long svscan, which looks every five seconds, has seen a new link."""
    source: str = field(default_factory=lambda: _source())

    @property
    def home(self) -> str:
        """The qmail home."""
        return self.places.home

    @property
    def control(self) -> str:
        """The directory of the control files."""
        return f"{self.home}/control"

    @property
    def is_root(self) -> bool:
        """True if everything can be looked at."""
        return self.euid == 0

    def path(self, path: str) -> str:
        """A path of the system."""
        return self.places.prefix + path

    def make(self, target: str) -> str:
        """The command that makes a target of the source's Makefile."""
        return f"cd {quote(self.source)} && make {target}"

    def users(self) -> Iterator[pwd.struct_passwd]:
        """Those who log in and have a home: they get mail."""
        for user in self.getpwall():
            shell = os.path.basename(user.pw_shell)
            if FIRST_UID <= user.pw_uid <= LAST_UID and shell not in NO_SHELLS:
                home = self.path(user.pw_dir)
                if user.pw_dir.startswith("/") and os.path.isdir(home):
                    yield user

    def control_line(self, name: str) -> str | None:
        """The first line of a control file as programs take it; None without one."""
        data = self.control_file(name)
        if data is None:
            return None
        return text(data.partition(b"\n")[0].rstrip(b" \t\r"))

    def control_file(self, name: str) -> bytes | None:
        """A control file; None without one. OSError."""
        try:
            return read(f"{self.control}/{name}")
        except FileNotFoundError:
            return None

    def control_lines(self, name: str) -> list[str] | None:
        """The lines of a list, in small letters; None without one. OSError."""
        data = self.control_file(name)
        if data is None:
            return None
        lines = (text(line.rstrip(b" \t\r")).lower() for line in data.split(b"\n"))
        return [line for line in lines if line and not line.startswith("#")]

    def local_domains(self) -> list[str]:
        """What locals says, or me. OSError."""
        lines = self.control_lines("locals")
        if lines is None:
            me = self.control_line("me")
            return [me.lower()] if me else []
        return lines


def _source() -> str:
    """Where ``make`` may be run: this checkout, or where the guide unpacks."""
    if (SOURCE / "package/python").exists():
        return str(SOURCE)
    return GUIDE_SOURCE if os.path.isdir(GUIDE_SOURCE) else "/SOURCE/OF/PYQMAIL"


def text(data: bytes) -> str:
    """Bytes of a file or a path, so that the same bytes can come of it again."""
    return data.decode("utf-8", "surrogateescape")


def read(path: str) -> bytes:
    """A regular file, whole but for what no such file can hold. OSError.

    A FIFO that somebody left in its place is not waited for.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    with open(os.open(path, flags), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "is a directory", path)
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        return file.read(MAX_BYTES)
