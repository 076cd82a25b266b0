"""Room to write in, and a clock that goes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine, quote
from qmail.operator.doctor.tree import log_directories
from qmail.queue.config import FREE_BYTES, FREE_INODES, FREE_PART

ROOM_PART, ROOM_MOST = 0.02, 1 << 30
"""With less than that part, or that much, qmail-queued will soon have too little."""
CLOCK_SECONDS = 60.0


def check_disk(machine: Machine) -> Iterator[Finding]:
    """The file systems of the queue, the logs and the control files."""
    seen: set[tuple[int, int]] = set()
    for path in (
        f"{machine.home}/queue",
        f"{machine.home}/run",
        *log_directories(machine),
        machine.control,
    ):
        try:
            device = os.stat(path).st_dev
            now = os.statvfs(path)
        except FileNotFoundError:
            continue
        # Of one file system a part may be mounted read-only.
        key = (device, now.f_flag & os.ST_RDONLY)
        if key not in seen:
            seen.add(key)
            yield from of_file_system(path, now)


def of_file_system(path: str, now: os.statvfs_result) -> Iterator[Finding]:
    """What is short, or closed."""
    name = quote(path)
    if now.f_flag & os.ST_RDONLY:
        yield Finding(
            "disk-read-only",
            f"the file system of {path} is mounted read-only",
            f'mount -o remount,rw "$(findmnt -nro TARGET -T {name})"',
        )
        return
    free, size = now.f_bavail * now.f_frsize, now.f_blocks * now.f_frsize
    least = min(FREE_BYTES, size // FREE_PART)
    if size and free < max(least, min(size * ROOM_PART, ROOM_MOST)):
        yield Finding(
            "disk-full",
            f"the file system of {path} has only {free >> 20} MB free",
            f'du -xh "$(findmnt -nro TARGET -T {name})" | sort -h | tail -n 20',
        )
    if now.f_favail < min(FREE_INODES, now.f_files // FREE_PART):
        yield Finding(
            "disk-no-inodes",
            f"the file system of {path} has only {now.f_favail} inodes free",
            f'du -x --inodes "$(findmnt -nro TARGET -T {name})" | sort -n | tail -n 20',
        )


def check_clock(machine: Machine) -> Iterator[Finding]:
    """Nothing here can have been made in the future."""
    path = f"{machine.home}/bin/qmail-send"
    try:
        made = os.lstat(path).st_ctime
    except FileNotFoundError:
        return
    if made > machine.now() + CLOCK_SECONDS:
        when = time.strftime("%F %T", time.localtime(made))
        yield Finding(
            "clock-behind",
            f"by the clock of this machine {path} will be installed at {when}",
            "timedatectl set-ntp true",
        )
