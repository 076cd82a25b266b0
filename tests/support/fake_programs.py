"""Mains that stand in for qmail-local and qmail-remote behind our own launchers."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable

from pytools.base import signals


def install() -> None:
    """Have the chain find these mains instead of the real ones."""
    _put("qmail.commands.qmail_local", local)
    _put("qmail.commands.qmail_remote", remote)


def _put(name: str, main: Callable[[list[bytes]], int]) -> None:
    module = types.ModuleType(name)
    module.__dict__["main"] = main
    sys.modules[name] = module


def local(argv: list[bytes]) -> int:
    """Say what the process is like; wait for a file if the extension asks for it."""
    lines = [b" ".join(argv), b"uid %d %d" % (os.getuid(), os.geteuid())]
    lines.append(b"gid %d %d" % (os.getgid(), os.getegid()))
    lines.append(b"groups " + b" ".join(b"%d" % gid for gid in os.getgroups()))
    # The look itself has a descriptor open.
    numbers = sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1]
    lines.append(b"fds " + b" ".join(b"%d" % fd for fd in numbers))
    lines.append(b"cwd " + os.getcwdb())
    lines.append(b"pipe ignored %d" % signals.is_ignored(signals.SIGPIPE))
    lines.append(b"chld blocked %d" % (signals.SIGCHLD in signals.block([])))
    lines.append(b"parent pid %d" % os.getppid())
    lines.append(b"pid %d" % os.getpid())
    if argv[6] == b"wait":
        with open(os.path.join(argv[3], b"pid"), "wb") as file:
            file.write(b"%d\n" % os.getpid())
        with open(os.path.join(argv[3], b"gate"), "rb") as gate:
            gate.read()
        return 0
    os.write(1, b"\n".join(lines) + b"\n" + os.read(0, 4096))
    return 0


def remote(argv: list[bytes]) -> int:
    """Accept the recipient with the arguments as text."""
    os.write(1, b"r" + b" ".join(argv) + b"\n\0Kparent %d\n\0" % os.getppid())
    return 0
