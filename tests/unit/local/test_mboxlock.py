"""The two locks of an mbox, and that nobody waits for one while he holds the other."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytools.base import locks
from qmail.local import mboxlock
from qmail.local.mboxlock import lock_mailbox
from tests.support.until import until


@pytest.fixture
def box(tmp_path: Path) -> Path:
    path = tmp_path / "box"
    path.write_bytes(b"")
    return path


@pytest.fixture
def mine(box: Path) -> Iterator[int]:
    """The mbox, as a delivery opens it."""
    fd = os.open(box, os.O_WRONLY | os.O_APPEND)
    yield fd
    os.close(fd)


def can_lock(box: Path, kind: str) -> bool:
    """Whether another process would get this lock at once."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    status = 2
    try:
        fd = os.open(box, os.O_RDWR)
        take = {"flock": fcntl.flock, "fcntl": fcntl.lockf}[kind]
        try:
            take(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = 0
        except BlockingIOError:
            status = 1
    finally:
        os._exit(status)


@pytest.mark.parametrize("kind", ["flock", "fcntl"])
def test_lock_keeps_out_both_kinds_until_the_file_is_closed(
    box: Path, kind: str
) -> None:
    fd = os.open(box, os.O_WRONLY)
    lock_mailbox(fd)
    assert not can_lock(box, kind)
    os.close(fd)
    assert can_lock(box, kind)


@pytest.mark.parametrize("kind", ["flock", "fcntl"])
def test_lock_survives_another_look_at_the_same_file(
    box: Path, mine: int, kind: str
) -> None:
    lock_mailbox(mine)
    assert box.read_bytes() == b""  # fcntl's own kind would end here
    assert not can_lock(box, kind)


def test_lock_waits_for_fcntl_without_holding_flock(box: Path, mine: int) -> None:
    waits = re.compile(f"-> OFDLCK .*:{os.fstat(mine).st_ino} ")
    with open(box, "r+b") as other, ThreadPoolExecutor(1) as pool:
        fcntl.lockf(other, fcntl.LOCK_EX)
        taking = pool.submit(lock_mailbox, mine)
        try:
            until(lambda: waits.search(Path("/proc/locks").read_text()))
            assert can_lock(box, "flock")
        finally:
            fcntl.lockf(other, fcntl.LOCK_UN)
        taking.result()
    assert not can_lock(box, "flock")
    assert not can_lock(box, "fcntl")


def test_lock_waits_for_flock_without_holding_fcntl(box: Path, mine: int) -> None:
    inode = os.fstat(mine).st_ino
    waits = {kind: re.compile(f"-> {kind} .*:{inode} ") for kind in ("OFDLCK", "FLOCK")}

    def is_waiting(kind: str) -> bool:
        return waits[kind].search(Path("/proc/locks").read_text()) is not None

    with open(box, "r+b") as first, open(box) as second, ThreadPoolExecutor(1) as pool:
        fcntl.lockf(first, fcntl.LOCK_EX)
        taking = pool.submit(lock_mailbox, mine)
        try:
            until(lambda: is_waiting("OFDLCK"))
            # Somebody is faster with the other.
            fcntl.flock(second, fcntl.LOCK_EX)
            fcntl.lockf(first, fcntl.LOCK_UN)
            until(lambda: is_waiting("FLOCK"))
            assert can_lock(box, "fcntl")
        finally:
            fcntl.lockf(first, fcntl.LOCK_UN)
            fcntl.flock(second, fcntl.LOCK_UN)
        taking.result()
    assert not can_lock(box, "flock")
    assert not can_lock(box, "fcntl")


@pytest.fixture
def refusals(box: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """As if one kind kept us from the other; each round of it.

    There is no pause between them.
    """
    refused: list[int] = []
    lock_ex_nb = locks.lock_ex_nb
    monkeypatch.setattr(mboxlock, "_PAUSE_SECONDS", 0)
    with open(box) as second:

        def refuse(fd: int) -> None:
            refused.append(fd)
            fcntl.flock(second, fcntl.LOCK_EX)
            try:
                lock_ex_nb(fd)
            finally:
                fcntl.flock(second, fcntl.LOCK_UN)

        with monkeypatch.context() as patch:
            patch.setattr(mboxlock, "_lock_records", lambda fd, command: False)
            patch.setattr(locks, "lock_ex_nb", refuse)
            yield refused


def mounted(monkeypatch: pytest.MonkeyPatch, box: Path, kind: str) -> None:
    """Have the mbox on a file system of that kind."""
    with box.open() as file:
        info = Path(f"/proc/self/fdinfo/{file.fileno()}").read_text()
    number = info.partition("mnt_id:\t")[2].partition("\n")[0]
    mounts = box.with_name("mounts")
    mounts.write_text(
        f"{number}1 1 0:0 / / rw shared:1 - ext4 /dev/vda rw\n"
        f"{number} 21 0:77 / /x rw - {kind} a:/b rw\n"
    )
    monkeypatch.setattr(mboxlock, "_MOUNTS", os.fsencode(mounts))


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3"])
def test_lock_where_both_kinds_are_one_is_flock(
    box: Path,
    mine: int,
    refusals: list[int],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    mounted(monkeypatch, box, kind)
    lock_mailbox(mine)
    assert len(refusals) == mboxlock._ROUNDS
    assert not can_lock(box, "flock")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock takes a second."""
    seconds = iter(range(10_000))
    ticking = SimpleNamespace(monotonic=lambda: next(seconds), sleep=lambda _: None)
    monkeypatch.setattr(mboxlock, "time", ticking)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("kind", ["ext4", "xfs", "tmpfs", "fuseblk"])
def test_lock_where_the_kinds_are_two_is_never_one_alone(
    box: Path,
    mine: int,
    refusals: list[int],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    mounted(monkeypatch, box, kind)
    with pytest.raises(BlockingIOError):
        lock_mailbox(mine)
    assert len(refusals) > mboxlock._LIMIT_SECONDS
    assert can_lock(box, "flock")


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("kind", ["fuse.glusterfs", "fuse", "no /proc", "not listed"])
def test_lock_where_nobody_knows_is_flock_after_a_while(
    box: Path,
    mine: int,
    refusals: list[int],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """Else a delivery would be put off until it bounces."""
    mounted(monkeypatch, box, kind)
    if kind == "no /proc":
        monkeypatch.setattr(mboxlock, "_MOUNTS", os.fsencode(box.with_name("none")))
    elif kind == "not listed":
        monkeypatch.setattr(mboxlock, "_MOUNTS", b"/dev/null")
    lock_mailbox(mine)
    assert mboxlock._ROUNDS <= len(refusals) <= mboxlock._DOUBT_SECONDS + 2
    assert not can_lock(box, "flock")


def test_lock_where_there_is_no_fcntl_lock_is_flock(
    box: Path, mine: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(fd: int, command: int, argument: bytes) -> None:
        raise OSError(errno.EINVAL, "no such command")

    monkeypatch.setattr("fcntl.fcntl", unknown)
    lock_mailbox(mine)
    monkeypatch.undo()
    assert not can_lock(box, "flock")
    assert can_lock(box, "fcntl")


def test_lock_where_there_is_no_flock_is_an_error(
    mine: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("fcntl.flock", unknown)
    with pytest.raises(OSError, match="no locks"):
        lock_mailbox(mine)
