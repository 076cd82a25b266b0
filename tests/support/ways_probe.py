"""Test only, copied into a private runtime: every main first notes what it sees.

``chain.load`` of that runtime gives ``noting(program, main)``. A note is one line, the
repr of a dict, in notes/PID beside the runtime's lib directory.
"""

from __future__ import annotations

import _signal
import posix
import resource
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Main = Callable[[list[bytes]], int]

NOTES = __file__.rpartition("/lib/")[0] + "/notes/"
FIELDS = (
    *("SigBlk", "SigIgn", "SigCgt", "Uid", "Gid", "Groups", "CapEff", "CapPrm"),
    *("NoNewPrivs", "Name"),
)
BORN: list[bytes] = []
"""The first program of this interpreter: says whether there was an exec."""


def noting(program: bytes, main: Main) -> Main:
    """``main``, after a note of the state of the process."""

    def noted(argv: list[bytes]) -> int:
        if not BORN:
            BORN.append(program)
        note(program, argv)
        return main(argv)

    return noted


def note(program: bytes, argv: list[bytes]) -> None:
    """Append the state of this process."""
    from pytools.base import runtime

    state: dict[str, object] = {
        "program": program,
        "runtime": (runtime.program, runtime.home),
        "born": BORN[0],
        "argv": argv,
        "env": dict(posix.environ),
        "zone": time.tzname,
        "cwd": posix.getcwdb(),
        "umask": _umask(),
        "descriptors": _descriptors(),
        "limits": [resource.getrlimit(kind) for kind in range(16)],
        "timer": _signal.getitimer(_signal.ITIMER_REAL),
        "session": (posix.getsid(0), posix.getpgid(0), posix.getpriority(0, 0)),
        "depth": _depth(),
        "title": _read("/proc/self/cmdline").rstrip(b"\0").replace(b"\0", b" "),
    }
    for line in _read("/proc/self/status").decode().splitlines():
        name, _, value = line.partition(":")
        if name in FIELDS:
            state[name] = value.strip()
    fd = posix.open(
        NOTES + str(posix.getpid()),
        posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC,
        0o666,
    )
    posix.write(fd, repr(state).encode() + b"\n")
    posix.close(fd)


def _umask() -> int:
    mask = posix.umask(0)
    posix.umask(mask)
    return mask


def _descriptors() -> dict[int, tuple[str, int, int]]:
    import fcntl

    found = {}
    for name in posix.listdir("/proc/self/fd"):
        try:
            flags = fcntl.fcntl(int(name), fcntl.F_GETFL)
            of_fd = fcntl.fcntl(int(name), fcntl.F_GETFD)
        except OSError:
            # The listing's own.
            continue
        target = posix.readlink(f"/proc/self/fd/{name}")
        kind = target.partition(":[")[0]
        found[int(name)] = (kind, flags, of_fd)
    return found


def _depth() -> int:
    depth = 0
    while True:
        try:
            sys._getframe(depth)
        except ValueError:
            return depth
        depth += 1


def _read(path: str) -> bytes:
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    text = b""
    while chunk := posix.read(fd, 65536):
        text += chunk
    posix.close(fd)
    return text
