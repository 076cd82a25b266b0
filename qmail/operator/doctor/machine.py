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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from qmail.control import ipme
from qmail.operator import processes, running
from qmail.operator.doctor.findings import Finding
from qmail.operator.overview import open_regular
from qmail.operator.places import USERS, Owners, Places, SetupError
from qmail.operator.runtime import SOURCE

MAX_BYTES = 64 << 20
"""Of a file that is read whole."""
GUIDE_SOURCE = "/usr/local/src/netqmail-1.06"
FIRST_UID, LAST_UID = 1000, 59999
"""Users of flesh and blood, by the defaults of login.defs(5)."""
NO_SHELLS = ("nologin", "false", "sync", "halt", "shutdown")

MAX_LINKS = 40
"""On the way to a path; as the kernel has it."""


def quote(word: str) -> str:
    """A word for a shell, the same after ``printable`` as before.

    $'' is what bash(1) and zsh(1) know; dash(1) then finds no such file, and does no harm.
    """
    if word.isprintable():
        return shlex.quote(word)
    plain = b"%+,-./:=@_"
    shown = (
        chr(byte) if bytes([byte]).isalnum() or byte in plain else f"\\{byte:03o}"
        for byte in os.fsencode(word)
    )
    return f"$'{''.join(shown)}'"


def can_be_typed(word: str) -> bool:
    """True for a word that every echo(1) says as it is, once quoted."""
    return word.isprintable() and "\\" not in word and not word.startswith("-")


def edit(path: str) -> str:
    """The command for what only the operator can know."""
    return f"${{EDITOR:-vi}} {quote(path)}"


def amend(path: str, *scripts: str) -> str:
    """The command that has sed change a file; in the place of a link it would put one."""
    if os.path.islink(path) or not all(map(str.isprintable, scripts)):
        return edit(path)
    options = [quote(script) for script in scripts]
    if len(options) > 1:
        options = [f"-e {option}" for option in options]
    return f"sed -i {' '.join(options)} {quote(path)}"


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
    every_process: Callable[[], Iterable[running.Process]] = running.every
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
        """Those who log in and have a home: they get mail.

        INSTALL.ids once gave its users a shell and any uid: they are none of them.
        """
        for user in self.getpwall():
            if user.pw_name in USERS:
                continue
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

    @property
    def trusted(self) -> set[int]:
        """The uids that may do all anyway."""
        return {0, self.owners.uid("root")} if self.owners else {0}

    def strange_link(self, path: str) -> str:
        """The first link on the way to a path that root did not make, or nothing. OSError.

        SECURITY: whoever can write in a directory can put a link in the place of what
        is there, and a command of root's that follows it does its work elsewhere. Links
        that are root's, in directories of root's, are meant. What does not exist is no
        link.
        """
        place, rest, links = "/", path.split("/"), 0
        while rest:
            name = rest.pop(0)
            if name in ("", "."):
                continue
            if name == "..":
                place = os.path.dirname(place)
                continue
            here = os.path.join(place, name)
            try:
                target = os.readlink(here)
            except (FileNotFoundError, NotADirectoryError):
                return ""
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                # No link.
                place = here
                continue
            links += 1
            makers = {os.lstat(here).st_uid, os.stat(place).st_uid}
            if links > MAX_LINKS or not makers <= self.trusted:
                return here
            if target.startswith("/"):
                place = "/"
            rest = [*target.split("/"), *rest]
        return ""

    def is_in_roots_hands(self, path: str) -> bool:
        """True if nobody but root can put something else in a path's place. OSError."""
        if self.strange_link(path):
            return False
        above = os.path.dirname(os.path.realpath(path))
        while True:
            try:
                now = os.stat(above)
            except FileNotFoundError:
                # Whoever makes it makes it above.
                above = os.path.dirname(above)
                continue
            open_to_all = now.st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH
            if now.st_uid not in self.trusted or open_to_all:
                return False
            if above == "/":
                return True
            above = os.path.dirname(above)

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


def unreadable(error: OSError) -> Finding:
    """The finding for a path, which the error has, that cannot be looked at."""
    path = os.fsdecode(error.filename)
    return Finding(
        "unreadable",
        f"{path} cannot be looked at: {(error.strerror or str(error)).lower()}",
        f"namei -l {quote(path)}",
    )


def text(data: bytes) -> str:
    """Bytes of a file or a path, so that the same bytes can come of it again."""
    return data.decode("utf-8", "surrogateescape")


def read(path: str) -> bytes:
    """A regular file, whole. OSError, for one with more than MAX_BYTES, too."""
    with open_regular(path) as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
    return data
