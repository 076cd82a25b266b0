"""A message for a program: some lines first, then all of descriptor 0.

Contract     ``feed`` gives the program's status; ``Trouble`` when there is none. What
             the program does not read is no error, if the caller says no more: it knows
             what it needs.
Whole        a message that cannot be read to its end must not pass for a whole one, so
             the program, and what it has started, is killed before it sees the end of
             its input. It has a process group of its own for that.
"""

from __future__ import annotations

import posix

from pytools.base import fds, signals
from pytools.base.exits import Exit, Next
from pytools.process import child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn


class Trouble(Exception):
    """What could not be done, and the system's reason.

    ``READ``: the message could not be read; ``WRITE``: the program stopped reading it.
    """

    def __init__(self, what: bytes, error: OSError | None = None) -> None:
        super().__init__(what, error)
        self.what = what
        self.error = error


READ = b"unable to read input"
WRITE = b"unable to write to the program"


def feed(
    command: list[bytes],
    head: bytes,
    cannot_run: Callable[[OSError], Exit],
    *,
    spare: int | None = None,
) -> int:
    """Run the command with ``head`` and descriptor 0 as its input; its exit status.

    ``cannot_run`` is called in the child, which then ends so. ``spare``: a command that
    leaves more than so many bytes, at least 1, unread has failed; None: it may leave
    all.
    """

    def body() -> NoReturn:
        try:
            posix.setpgid(0, 0)
            fds.arrange({0: read_end})
        except OSError as error:
            raise cannot_run(error) from None
        signals.set_default(signals.SIGPIPE)
        raise Next(command, on_error=cannot_run, execvp=True)

    signals.ignore(signals.SIGPIPE)
    try:
        read_end, write_end = fds.pipe()
    except OSError as error:
        raise Trouble(b"unable to create pipe", error) from None
    try:
        pid = child.fork(body)
    except OSError as error:
        raise Trouble(b"unable to fork", error) from None
    posix.close(read_end)
    try:
        posix.setpgid(pid, pid)  # whoever of the two comes first
    except OSError:
        pass
    trouble = _copy(head, write_end, spare)
    if trouble and trouble.what == READ:
        # COMPAT: the originals go on, and the program sends what there was of it.
        _kill(pid)
    posix.close(write_end)
    if trouble:
        raise trouble
    status = _wait(pid)
    if status & 127:
        raise Trouble(b"child crashed")
    return status >> 8


def _copy(head: bytes, write_end: int, spare: int | None) -> Trouble | None:
    """Write all there is; what went wrong, if it matters."""
    block = fds.BLOCK if spare is None else spare
    pending = head
    while True:
        try:
            chunk = posix.read(0, block)
        except OSError as error:
            return Trouble(READ, error)
        if chunk and len(pending) + len(chunk) <= block:
            pending += chunk
            continue
        try:
            fds.write_all(write_end, pending)
        except OSError as error:
            return Trouble(WRITE, error) if chunk and spare is not None else None
        if not chunk:
            return None
        pending = chunk


def _kill(pid: int) -> None:
    """The program, and what it has started: a shell's commands read the message, too."""
    try:
        posix.kill(-pid, signals.SIGKILL)
        child.wait_for(pid)
    except OSError:
        # It has ended, and SIGCHLD is ignored; or it has become another user.
        pass


def _wait(pid: int) -> int:
    try:
        return child.wait_for(pid)
    except OSError as error:
        # Whoever started us ignores SIGCHLD: the kernel has thrown the status away.
        raise Trouble(b"wait failed", error) from None
