"""Commands to a running supervise: bytes into supervise/control of its directory."""

from __future__ import annotations

import posix

LETTERS = b"udopchaitkx"
CONTROL = b"supervise/control"


def open_control(directory: bytes = b"") -> int:
    """The descriptor to send commands by. ENXIO: no supervise is running there."""
    path = directory + b"/" + CONTROL if directory else CONTROL
    # Without O_NONBLOCK the open would wait for a supervise to come.
    return posix.open(path, posix.O_WRONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)


def send(fd: int, commands: bytes) -> None:
    """Write the commands and close; waits for room in the FIFO."""
    try:
        posix.set_blocking(fd, True)
        while commands:
            commands = commands[posix.write(fd, commands) :]
    finally:
        posix.close(fd)
