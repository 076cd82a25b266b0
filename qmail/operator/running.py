"""Which programs run for an installation: those of the original that setup has replaced,
and the two that write the queue, as /proc tells of them to root.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from qmail.operator import hier
from qmail.operator.places import Places, SetupError
from qmail.operator.processes import pids

NEEDS_BYTES = 32 << 20
"""What a program of ours maps, and some; the original's softlimit adds nothing."""
LIMIT = re.compile(r"^Max (?:data size|address space) +(\d+) ", re.MULTILINE)
"""Soft limits in bytes in /proc/PID/limits; one that is unlimited is not found."""
GONE = " (deleted)"
"""The kernel's word behind the path of a program whose file was replaced."""
KEEPERS = ("svscan", "supervise", "tcpserver")
"""What runs for ever, and starts other programs."""
PACKAGED = ("/bin/", "/usr/bin/", "/usr/sbin/")
"""Where a package of the system has its own, which setup does not replace."""
WRITERS = ("qmail-send", "qmail-queued")


@dataclass(frozen=True)
class Process:
    """A process; ``exe`` is the file that it executes, be it there or not."""

    pid: int
    exe: str
    cwd: str
    words: tuple[str, ...]
    limit: int | None = None
    """Bytes of memory that it and what it executes may use; None if unlimited."""

    @property
    def name(self) -> str:
        """The file's name; of a script that is the interpreter's."""
        return self.exe.rpartition("/")[2]

    @property
    def is_packaged(self) -> bool:
        """True for a program of the system's, which may start the same the next time."""
        return self.exe.startswith(PACKAGED)


def every() -> Iterator[Process]:
    """Every process but those that end meanwhile, the kernel's, and others' affairs."""
    for pid in pids():
        base = f"/proc/{pid}"
        try:
            exe = os.readlink(f"{base}/exe").removesuffix(GONE)
            cwd = os.readlink(f"{base}/cwd")
            with open(f"{base}/cmdline", errors="surrogateescape") as file:
                words = tuple(file.read().split("\0")[:-1])
            with open(f"{base}/limits") as file:
                limits = [int(number) for number in LIMIT.findall(file.read())]
        except OSError:
            continue
        yield Process(pid, exe, cwd, words, min(limits, default=None))


def starved(places: Places, processes: Iterable[Process]) -> list[Process]:
    """Those that will start a program of ours in less memory than it needs.

    Ours are none of them: their limit was counted from what the interpreter takes.
    """
    known = {
        f"{directory}/{name}"
        for directory, names in (
            (f"{places.home}/bin", hier.qmail_programs()),
            (places.command, hier.daemontools_programs()),
            (places.local_bin, hier.daemontools_programs()),
            (places.local_bin, hier.ucspi_programs()),
        )
        for name in names
    }
    if not places.prefix:
        # Found by PATH, where ours are.
        known |= {path.rpartition("/")[2] for path in known}
    return [
        one
        for one in processes
        if one.limit is not None
        and one.limit < NEEDS_BYTES
        and one.name in KEEPERS
        and not known.isdisjoint(one.words[1:])
    ]


def originals(places: Places, processes: Iterable[Process]) -> list[Process]:
    """The svscan, supervise and tcpserver at work in /service that setup replaced."""
    # Ours are run by an interpreter, and their exe is that.
    return [
        one
        for one in processes
        if one.name in KEEPERS
        and not one.is_packaged
        and (one.cwd == os.path.realpath(places.service) or service_of(places, one))
    ]


def service_of(places: Places, process: Process) -> str | None:
    """The service in whose directory, or its log's, the process works."""
    try:
        names = sorted(os.listdir(places.service))
    except OSError:
        return None
    for name in names:
        directory = os.path.realpath(f"{places.service}/{name}")
        if process.cwd in (directory, f"{directory}/log"):
            return name
    return None


def is_told(proc: str = "/proc") -> bool:
    """True if /proc is mounted, so that processes can be looked for at all."""
    return os.path.exists(f"{proc}/self")


def writers(home: str) -> Iterator[str]:
    """The names of a qmail-send and a qmail-queued of this home that run.

    Both work in the home or its queue, which may have been renamed, or be a link. The
    directory is looked up by its inode, so neither that nor a container's counts.
    SetupError where /proc is not mounted: that nobody is seen means nothing then.
    """
    if not is_told():
        raise SetupError(
            "/proc is not mounted, so it cannot be seen whether qmail-send runs\n"
            "...try: mount -t proc proc /proc"
        )
    roots = _roots(home)
    for one in every():
        name = os.path.basename(one.words[0]) if one.words else ""
        if name in WRITERS and not roots.isdisjoint(_above(one.pid)):
            yield name


Inode = tuple[int, int]


def _inode(path: str, dir_fd: int | None = None) -> Inode:
    found = os.stat(path, dir_fd=dir_fd)
    return found.st_dev, found.st_ino


def _roots(home: str) -> set[Inode]:
    """The home, and the directories in it, which may lie behind links."""
    found = {_inode(home)}
    for name in os.listdir(home):
        path = f"{home}/{name}"
        if os.path.islink(path) and os.path.isdir(path):
            found.add(_inode(path))
    return found


def _above(pid: int) -> Iterator[Inode]:
    """The directory that a process works in, and those above it."""
    try:
        with _opened(f"/proc/{pid}/cwd") as fd:
            path, last = ".", None
            while (now := _inode(path, fd)) != last:
                yield now
                path, last = f"../{path}", now
    except OSError:
        return


@contextmanager
def _opened(path: str) -> Iterator[int]:
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
