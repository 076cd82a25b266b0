"""What /proc knows: who listens on a TCP port, and which processes a session has."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass

LISTEN = "0A"
SESSION_FIELD, START_FIELD = 3, 19
"""Places in /proc/PID/stat, counted from the state, which follows the name."""


@dataclass(frozen=True)
class Holder:
    """Who listens on a port; pid 0 if that process is not ours to look at."""

    pid: int
    name: str
    user: str

    def __str__(self) -> str:
        if self.pid:
            return f"{self.name} (pid {self.pid})"
        return f"a process of {self.user}"


ANY_IP6, MAPPED_IP4 = "0" * 32, "0" * 16 + "FFFF0000"
"""How /proc writes the addresses of an IPv6 socket that IPv4 connections reach, too."""


def listener(port: int) -> Holder | None:
    """The first process that listens on a TCP port of an IPv4 address of this machine."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table) as file:
                lines = file.readlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            address, _, number = words[1].partition(":")
            if len(address) == 32 and not address.startswith((ANY_IP6, MAPPED_IP4)):
                continue
            if words[3] == LISTEN and int(number, 16) == port:
                pid = _holder_of(f"socket:[{words[9]}]")
                return Holder(pid, name_of(pid), _user_name(int(words[7])))
    return None


def _holder_of(link: str) -> int:
    for pid in pids():
        directory = f"/proc/{pid}/fd"
        try:
            for fd in os.listdir(directory):
                if os.readlink(f"{directory}/{fd}") == link:
                    return pid
        except OSError:
            continue
    return 0


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def pids() -> list[int]:
    """Every process."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def name_of(pid: int) -> str:
    """The name of a process as the kernel has it, or "?"."""
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return "?"


def _stat(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def start_of(pid: int) -> str:
    """When a process started, in the kernel's ticks; "" if there is none."""
    fields = _stat(pid)
    return fields[START_FIELD] if fields else ""


def members(session: int) -> list[int]:
    """The processes of a session, but not those that are dead and wait to be reaped."""
    found = []
    for pid in pids():
        fields = _stat(pid)
        if fields and int(fields[SESSION_FIELD]) == session and fields[0] not in "ZX":
            found.append(pid)
    return found


def boot_id() -> str:
    """A name for the time since the machine was started."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return "?"
