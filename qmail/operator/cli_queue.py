"""``pyqmail queue``: whether the queue on disk is as it should be, and mending it.

What the files of messages may be is qmail.queue's to know; the directories, and what
lies in lock/, are those of hier.py.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import click

from pytools.base.locks import lock_ex_nb
from qmail.operator import hier, instcheck, ownership
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
    base = f"{places.home}/"
    for entry in entries():
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
    before = set(of_places(places, owners))
    with ExitStack() as stack:
        try:
            stack.enter_context(stopped(places, owners, fs))
            mend_places(places, owners, fs)
        finally:
            for line in sorted(before - set(of_places(places, owners))):
                click.echo(f"mended: {line}")
        for word, line in repair(fs, uids(owners), time.time()):
            click.echo(f"{word}: {printable(line)}")


def mend_places(places: Places, owners: Owners, fs: Beneath) -> None:
    """Make directories and lock files, set their owners and modes; say what fails."""
    for entry in entries():
        try:
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
    """Hold the locks of qmail-send and qmail-queued; SetupError if one has its own.

    Locks that exist are tried before one that is missing is made: beside a server at
    work nothing is changed.
    """
    # Neither program starts without its lock, so none starts while both are held.
    run = os.fsencode(places.home) + b"/" + layout.SERVER_LOCK
    locks = [
        (
            SEND_LOCK,
            f"{places.service}/qmail-send",
            lambda: fs.open(layout.LOCK, LOCK_FLAGS),
        ),
        (
            QUEUED_LOCK,
            f"{places.service}/{places.queued}",
            lambda: os.open(run, LOCK_FLAGS),
        ),
    ]
    with ExitStack() as held:
        missing = [lock for lock in locks if not hold(held, *lock)]
        for lock in missing:
            for entry in way_to(lock[0]):
                ownership.make(places.home, entry, owners)
            if not hold(held, *lock):
                raise SetupError(f"{places.home}/{lock[0].path} has gone away")
        yield


def hold(
    held: ExitStack, entry: hier.Entry, service: str, opened: Callable[[], int]
) -> bool:
    """Take a lock; False if its file is missing."""
    try:
        fd = opened()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SetupError(f"unable to lock {entry.path}: {error.strerror}") from None
    held.callback(os.close, fd)
    try:
        lock_ex_nb(fd)
    except BlockingIOError:
        name = "qmail-send" if entry is SEND_LOCK else "qmail-queued"
        raise SetupError(f"{name} is running\n...try: svc -d {service}") from None
    return True


def way_to(lock: hier.Entry) -> list[hier.Entry]:
    """The directories that a lock lies in, and the lock."""
    above = [e for e in hier.directories() if lock.path.startswith(e.path + "/")]
    return [*above, lock]
