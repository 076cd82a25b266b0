"""Service directories and the programs that look after them, for tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support import launchers
from tests.support.until import until

PROGRAMS = (
    b"supervise",
    b"svscan",
    b"svscanboot",
    b"svc",
    b"svok",
    b"svstat",
    b"readproctitle",
)


def install(directory: Path) -> Path:
    """Write the launchers of the supervision programs."""
    return launchers.install(directory, PROGRAMS, "/nonexistent")


def make_service(path: Path, run: str | None = None, *, down: bool = False) -> Path:
    """A service directory; ``run`` is the body of a shell script."""
    path.mkdir(parents=True)
    if run is not None:
        script = path / "run"
        script.write_text(f"#!/bin/sh\n{run}\n")
        script.chmod(0o755)
    if down:
        (path / "down").touch()
    return path


@dataclass
class Status:
    """supervise/status, taken apart without any code under test."""

    seconds: int
    nanoseconds: int
    pid: int
    paused: int
    want: bytes


def read_status(service: Path) -> Status:
    """The status record of a service."""
    raw = (service / "supervise/status").read_bytes()
    assert len(raw) == 18
    return Status(
        int.from_bytes(raw[0:8], "big") - (2**62 + 10),
        int.from_bytes(raw[8:12], "big"),
        int.from_bytes(raw[12:16], "little"),
        raw[16],
        raw[17:18],
    )


def is_up(service: Path) -> bool:
    """True when the status names a process that exists."""
    with suppress(OSError, AssertionError):
        pid = read_status(service).pid
        return pid != 0 and Path(f"/proc/{pid}").exists()
    return False


def is_down(service: Path) -> bool:
    """True when the status says that there is no process."""
    with suppress(OSError, AssertionError):
        return read_status(service).pid == 0
    return False


def lives(service: Path) -> list[str]:
    """The lines of supervise/last, without their labels.

    It is written before the status that says the same.
    """
    try:
        text = (service / "supervise/last").read_text()
    except FileNotFoundError:
        return []
    return [line.partition(" ")[2] for line in text.splitlines()]


def send(service: Path, commands: bytes) -> None:
    """Write to supervise/control, as svc does."""
    fd = os.open(service / "supervise/control", os.O_WRONLY | os.O_NONBLOCK)
    try:
        os.write(fd, commands)
    finally:
        os.close(fd)


def process_state(pid: int) -> str:
    """The letter of /proc/PID/stat, or "" when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[0]


def children(pid: int) -> list[int]:
    """The pids whose parent is ``pid``, zombies too."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == pid:
                    found.append(int(entry.name))
    return sorted(found)


def command_line(pid: int) -> bytes:
    """What ps shows of a process, blanks between the words."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").strip()
    except OSError:
        return b""


@contextmanager
def supervised(
    service: Path, program: str | list[str], name: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A supervise of ``service`` by ``program``; leaves with its process at the end."""
    command = [program] if isinstance(program, str) else program
    # A file, not a pipe: whatever a service leaves behind may keep it open.
    with open(errors_of(service), "wb") as errors:
        process = subprocess.Popen(
            [*command, name or str(service)],
            cwd=service.parent,
            stdin=subprocess.DEVNULL,
            stderr=errors,
        )
    try:
        until(lambda: _accepts(service) or process.poll() is not None)
        yield process
    finally:
        end_service(service)
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait(20)


def errors_of(service: Path) -> Path:
    """Where ``supervised`` puts what comes on descriptor 2."""
    return service.with_name(service.name + ".err")


def _accepts(service: Path) -> bool:
    with suppress(OSError):
        os.close(os.open(service / "supervise/ok", os.O_WRONLY | os.O_NONBLOCK))
        return True
    return False


def end_service(service: Path) -> None:
    """Have the process killed and the supervise leave, if there are any."""
    with suppress(OSError):
        send(service, b"dxck")
