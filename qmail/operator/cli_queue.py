"""``pyqmail queue``: whether the queue on disk is as it should be, and mending it.

What the files of messages may be is qmail.queue's to know; the directories, and what
lies in lock/, are those of hier.py.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import click

from pytools.base.locks import lock_ex_nb
from qmail.operator import hier, instcheck, ownership, running
from qmail.operator.cli_services import complaints
from qmail.operator.overview import printable
from qmail.operator.places import Owners, Places, SetupError
from qmail.queue import layout
from qmail.queue.beneath import Beneath
from qmail.queue.inspection import NOTE, Finding, inspect, queued
from qmail.queue.repair import repair

PAUSE_SECONDS = 0.5
"""Between two looks at a queue that may be at work."""
OWNERS = {
    **dict.fromkeys((b"mess", b"intd", b"todo"), "qmailq"),
    **dict.fromkeys((b"info", b"local", b"remote", b"bounce"), "qmails"),
}
SEND_LOCK = next(e for e in hier.queue_files() if e.path.endswith("/sendmutex"))
QUEUED_LOCK = hier.Entry(
    os.fsdecode(layout.SERVER_LOCK), hier.FILE, "qmailq", "qmail", 0o600
)
"""Its owner makes it; here it is made as its owner would."""
LOCK_FLAGS = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
NO_FILE = (errno.ELOOP, errno.ENXIO, errno.EISDIR)
"""What the kernel says of a link, a FIFO, a directory that is opened so."""


@dataclass(frozen=True)
class Lock:
    """What the program of that name, kept by that service, holds while it runs."""

    name: str
    entry: hier.Entry
    path: str
    service: str
    opened: Callable[[], int]


@click.group()
def queue() -> None:
    """Check the queue on disk, and mend it."""


@queue.command("check")
@click.option("--repair", "mend", is_flag=True, help="mend what can be mended safely")
@click.pass_obj
def check_queue(places: Places, mend: bool) -> None:
    """Say what is wrong with the queue, a line each.

    Exits 1 if something is. With --repair qmail-send and qmail-queued must be down.
    """
    with complaints():
        if os.geteuid() != 0 and not places.is_trial:
            raise SetupError("must be run by root\n...try: sudo pyqmail queue check")
        owners = Owners.of(places)
        with beneath(places) as fs:
            if mend:
                mend_all(places, owners, fs)
            is_well = report(places, owners, fs)
            if is_well:
                click.echo(f"The queue is as it should be; messages: {queued(fs)}")
    if not is_well:
        raise click.exceptions.Exit(1)


@contextmanager
def beneath(places: Places) -> Iterator[Beneath]:
    """The queue directory, for root to work in."""
    fs = Beneath(os.fsencode(f"{places.home}/queue"))
    try:
        yield fs
    finally:
        fs.done()


def uids(owners: Owners) -> dict[bytes, int]:
    """Whose the files of a message are, by kind."""
    return {kind: owners.uid(name) for kind, name in OWNERS.items()}


def report(places: Places, owners: Owners, fs: Beneath) -> bool:
    """Print what is wrong; True if nothing is."""
    about = list(of_places(places, owners))
    for line in about:
        click.echo(line)
    found = steady(fs, uids(owners))
    for finding in found:
        path = printable(finding.path.decode("utf-8", "replace"))
        note = "note: " if finding.mend == NOTE else ""
        click.echo(f"{note}{path}: {finding.what}")
    return not about and all(finding.mend == NOTE for finding in found)


def steady(fs: Beneath, owners: dict[bytes, int]) -> list[Finding]:
    """What is found at two looks: no message stays between two states."""
    found = inspect(fs, owners, time.time())
    if found:
        time.sleep(PAUSE_SECONDS)
        again = {finding.key() for finding in inspect(fs, owners, time.time())}
        found = [finding for finding in found if finding.key() in again]
    return found


def entries() -> list[hier.Entry]:
    """The directories of the queue, and the files in lock/."""
    every = (*hier.directories(), *hier.queue_files())
    return [entry for entry in every if entry.path.split("/")[0] == "queue"]


def of_places(places: Places, owners: Owners) -> Iterator[str]:
    """What is wrong with directories and lock files."""
    for entry in entries():
        yield from of_place(places, owners, entry)


def of_place(places: Places, owners: Owners, entry: hier.Entry) -> Iterator[str]:
    """What is wrong with one of them."""
    base = f"{places.home}/"
    try:
        for line in instcheck.of_entry(places.home, entry, owners):
            yield line.removeprefix(base).removeprefix("queue/")
    except NotADirectoryError:
        yield f"{entry.path.removeprefix('queue/')} does not exist"
    if entry.size and size_of(base + entry.path) not in (None, entry.size):
        yield f"{entry.path.removeprefix('queue/')} has wrong size"


def size_of(path: str) -> int | None:
    """The size of an ordinary file; None for anything else."""
    try:
        now = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return now.st_size if stat.S_ISREG(now.st_mode) else None


def mend_all(places: Places, owners: Owners, fs: Beneath) -> None:
    """Mend what can be mended, and say it; SetupError if somebody is at work."""
    with stopped(places, owners, fs):
        mend_places(places, owners, fs)
        for word, line in repair(fs, uids(owners), time.time()):
            click.echo(f"{word}: {printable(line)}")


@contextmanager
def told(places: Places, owners: Owners, entry: hier.Entry) -> Iterator[None]:
    """Say what was wrong with a directory or a lock file, and is right now."""
    # The lock of qmail-queued is made by itself, whenever it starts.
    is_own = entry is QUEUED_LOCK
    before = [] if is_own else list(of_place(places, owners, entry))
    try:
        yield
    finally:
        after = set(of_place(places, owners, entry)) if before else set()
        for line in before:
            if line not in after:
                was = line.replace(" does not exist", " did not exist")
                click.echo(f"mended: {was.replace(' has wrong ', ' had wrong ')}")


def mend_places(places: Places, owners: Owners, fs: Beneath) -> None:
    """Make directories and lock files, set their owners and modes; say what fails."""
    for entry in entries():
        try:
            with told(places, owners, entry):
                ownership.make(places.home, entry, owners)
                if entry.size and size_of(f"{places.home}/{entry.path}") != entry.size:
                    resize(fs, entry)
        except SetupError as error:
            click.echo(f"left: {error}")
        except OSError as error:
            click.echo(f"left: {places.home}/{entry.path}: {error.strerror}")


def resize(fs: Beneath, entry: hier.Entry) -> None:
    """Give lock/tcpto its size; what is in it is an opinion, which may be lost."""
    path = os.fsencode(entry.path.removeprefix("queue/"))
    fd = fs.open(path, os.O_WRONLY)
    try:
        if stat.S_ISREG(os.fstat(fd).st_mode) and os.fstat(fd).st_nlink == 1:
            os.ftruncate(fd, entry.size)
    finally:
        os.close(fd)


@contextmanager
def stopped(places: Places, owners: Owners, fs: Beneath) -> Iterator[None]:
    """Hold the locks of qmail-send and qmail-queued; SetupError if one of them runs.

    Locks that exist are tried before one that is missing is made: beside a server at
    work nothing is changed. A lock tells nothing where the queue was copied beside a
    server that ends but slowly: that one holds the lock of the old queue.
    """
    # Neither program starts without its lock, so none starts while both are held.
    run = f"{places.home}/{QUEUED_LOCK.path}"
    scan = places.service
    locks = [
        Lock(
            "qmail-send",
            SEND_LOCK,
            f"{places.home}/{SEND_LOCK.path}",
            f"{scan}/qmail-send",
            lambda: fs.open(layout.LOCK, LOCK_FLAGS),
        ),
        Lock(
            "qmail-queued",
            QUEUED_LOCK,
            run,
            f"{scan}/{places.queued}",
            lambda: os.open(run, LOCK_FLAGS),
        ),
    ]
    with ExitStack() as held:
        missing = [lock for lock in locks if not hold(held, lock)]
        at = set(running.writers(places.home))
        for lock in locks:
            if lock.name in at:
                raise at_work(lock.name, lock.service)
        for lock in missing:
            for entry in way_to(lock.entry):
                with told(places, owners, entry):
                    ownership.make(places.home, entry, owners)
            if not hold(held, lock):
                raise SetupError(f"{lock.path} has gone away")
        yield


def hold(held: ExitStack, lock: Lock) -> bool:
    """Take a lock; False if its file is missing."""
    path = lock.path
    try:
        fd = lock.opened()
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in NO_FILE:
            raise no_file(path) from None
        what = f"unable to lock {path}: {error.strerror}"
        where = os.path.dirname(path)
        raise SetupError(f"{what}\n...try: ls -ld {where} {path}") from None
    held.callback(os.close, fd)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise no_file(path)
    try:
        lock_ex_nb(fd)
    except BlockingIOError:
        raise at_work(lock.name, lock.service) from None
    return True


def no_file(path: str) -> SetupError:
    """Something else is in the place of a lock; what, is for the operator to see."""
    return SetupError(
        f"unable to lock {path}: it is no file\n"
        f"...try: ls -l {path}; rm {path}; pyqmail queue check --repair"
    )


def at_work(name: str, service: str) -> SetupError:
    """Why nothing may be mended now; svc is to wait until the program has ended."""
    return SetupError(f"{name} is running\n...try: svc -d -w D -T 300 {service}")


def way_to(lock: hier.Entry) -> list[hier.Entry]:
    """The directories that a lock lies in, and the lock."""
    above = [e for e in hier.directories() if lock.path.startswith(e.path + "/")]
    return [*above, lock]
