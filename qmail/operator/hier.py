"""What an installation consists of: every directory and file, as data.

Setup makes these, instcheck compares with them. Owners and modes are the original's
(conf-users, hier), save that nothing is setuid and that what an interpreter must read
is readable: 0711 and 04711 became 0755.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytools.process.programs import ALIASES, DAEMONTOOLS, QMAIL, UCSPI

SPLIT = 23
ROOT_ONLY = frozenset({"qmail-lspawn", "qmail-start", "qmail-newu", "qmail-newmrh"})
"""Programs of mode 0700: only root has a use for them."""

DIRECTORY = "directory"
FILE = "file"
FIFO = "FIFO"


@dataclass(frozen=True)
class Entry:
    """One path below a home, with what it must be. ``size`` is for a file made empty."""

    path: str
    kind: str
    owner: str
    group: str
    mode: int
    size: int = 0

    @property
    def may_be_link(self) -> bool:
        """True for a directory that may lie elsewhere, behind a link of the operator's.

        SECURITY: the home and what is directly in it: there only root makes names.
        """
        return self.kind == DIRECTORY and "/" not in self.path


def qmail_programs() -> list[str]:
    """The names of the programs in bin/."""
    return sorted(name.decode() for name in {*QMAIL, *ALIASES})


def daemontools_programs() -> list[str]:
    """The names of the programs in /command."""
    return sorted(name.decode() for name in DAEMONTOOLS)


def ucspi_programs() -> list[str]:
    """The names of the programs that lie in /usr/local/bin itself."""
    return sorted(name.decode() for name in UCSPI)


def directories() -> list[Entry]:
    """Every directory of a home, parents first."""

    def plain(path: str, mode: int = 0o755) -> Entry:
        return Entry(path, DIRECTORY, "root", "qmail", mode)

    def queue(path: str, owner: str, mode: int) -> Entry:
        return Entry(path, DIRECTORY, owner, "qmail", mode)

    entries = [
        plain("."),
        plain("control"),
        plain("users"),
        plain("bin"),
        plain("boot"),
        plain("doc"),
        plain("man"),
        *(plain(f"man/{kind}{n}") for kind in ("man", "cat") for n in (1, 5, 7, 8)),
        plain("supervise"),
        Entry("alias", DIRECTORY, "alias", "qmail", 0o2755),
        Entry("run", DIRECTORY, "qmailq", "qmail", 0o755),
        queue("queue", "qmailq", 0o750),
        queue("queue/pid", "qmailq", 0o700),
        queue("queue/intd", "qmailq", 0o700),
        queue("queue/todo", "qmailq", 0o750),
        queue("queue/bounce", "qmails", 0o700),
        queue("queue/lock", "qmailq", 0o750),
    ]
    for name, owner, mode in (
        ("mess", "qmailq", 0o750),
        ("info", "qmails", 0o700),
        ("local", "qmails", 0o700),
        ("remote", "qmails", 0o700),
    ):
        entries.append(queue(f"queue/{name}", owner, mode))
        entries += [queue(f"queue/{name}/{n}", owner, mode) for n in range(SPLIT)]
    return entries


def queue_files() -> list[Entry]:
    """The files in queue/lock that programs find there and never make."""
    return [
        Entry("queue/lock/tcpto", FILE, "qmailr", "qmail", 0o644, 1024),
        # COMPAT: the original has none for IPv6.
        Entry("queue/lock/tcpto6", FILE, "qmailr", "qmail", 0o644, 1792),
        Entry("queue/lock/sendmutex", FILE, "qmails", "qmail", 0o600),
        Entry("queue/lock/trigger", FIFO, "qmails", "qmail", 0o622),
    ]


def program_files() -> list[Entry]:
    """The launchers in bin/."""
    return [
        Entry(
            f"bin/{name}", FILE, "root", "qmail", 0o700 if name in ROOT_ONLY else 0o755
        )
        for name in qmail_programs()
    ]


BOOT_SCRIPTS = (
    *("home", "home+df", "proc", "proc+df", "binm1"),
    *("binm1+df", "binm2", "binm2+df", "binm3", "binm3+df"),
)


def boot_files() -> list[Entry]:
    """The ten boot scripts."""
    return [
        Entry(f"boot/{name}", FILE, "root", "qmail", 0o755) for name in BOOT_SCRIPTS
    ]
