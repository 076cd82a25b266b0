"""A child of tcpserver that serves one connection after another.

Why          a fork, and the 460 pages that a fresh child copies on its way through a
             session, are most of a short one.
             PERF: a message a session, 20 at once: 231 a second forked, 571 by workers
             (busy machine; processor time of a session 4.1 and 0.9 ms; bench accept).
Who          only chains of our own programs that all declare themselves ``REUSABLE``;
             everything else has a child for each connection, and an unclean end is the
             end of the worker.
Between jobs the process is put back to what it was when it was forked (``Birth``):
             descriptors, environment, working directory, umask, signals. What cannot be
             put back ends the worker.
SECURITY: the environment is the server's again before the next connection builds its
             own from it: a variable of one client never reaches the next.
Channel      the server sends a job: the address of the peer and its standing, with the
             connection; the worker answers DONE when that has ended with status 0. Its
             end of the channel is the process's own (``runtime.kept``): a fork, an exec,
             and a program that is not REUSABLE close it, and then there is no next job.
             A child of a PROXY connection says on such a channel who the client is
             (``report``), and gets the client's standing.
"""

from __future__ import annotations

import _socket
import errno
import fcntl
import posix
import resource

from pytools.base import environment, limits, runtime, signals
from pytools.process import chain, handing, title
from pytools.process.runner import conclude
from pytools.ucspi import address
from pytools.ucspi.counts import MOST_OF_ONE, Standing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, NoReturn

    from pytools.ucspi.address import Address

    Job = tuple[int, Address, Standing]
    Report = Callable[[bytes], Standing]
    Serve = Callable[[int, Address, Standing, Report], NoReturn]

DONE: Final = b"+"
CLIENT: Final = b"="
"""Before the address of a client that a proxy named."""
JOBS: Final = 200
"""A worker ends after so many: whatever a program or the allocator left goes with it."""
KEPT_FROM: Final = 64
"""Its own descriptors are moved above those that a program's contract may name."""
LEFT_AT_LEAST: Final = 0.75
"""A worker ends when a memory limit leaves a session less than this part of what it left
the first one: what a job made the allocators take, they keep."""
_ADDRESS_BYTES: Final = 128
_MESSAGE_BYTES: Final = 4 * _ADDRESS_BYTES + 8 * MOST_OF_ONE


def channel() -> tuple[int, int]:
    """A new channel: the server's end and the worker's end."""
    ours, theirs = handing.channel()
    return ours.detach(), theirs.detach()


def send_job(channel: int, fd: int, peer: Address, standing: Standing) -> None:
    """Hand a connection on. OSError when the worker has ended."""
    who = b"%b %d %d " % (address.text(peer), peer[1], address.scope(peer))
    end = handing.end_of(channel)
    try:
        handing.send(end, who + standing.encode(), fd)
    finally:
        end.detach()


def hear(channel: int) -> bytes | None:
    """What the other end has said: DONE, CLIENT and an address.

    None: nothing at the moment; b"": nothing any more.
    """
    end = handing.end_of(channel)
    try:
        return end.recv(_ADDRESS_BYTES, _socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""
    finally:
        end.detach()


def answer(channel: int, standing: Standing) -> None:
    """Tell a child what it asked by CLIENT. OSError when it has ended."""
    end = handing.end_of(channel)
    try:
        end.send(standing.encode(), _socket.MSG_NOSIGNAL | _socket.MSG_DONTWAIT)
    finally:
        end.detach()


def report(channel: int, client: bytes) -> Standing:
    """In a child: say who the client is; its standing. OSError."""
    end = handing.end_of(channel)
    try:
        end.send(CLIENT + client, _socket.MSG_NOSIGNAL)
        data = end.recv(_MESSAGE_BYTES)
    finally:
        end.detach()
    if not data:
        raise OSError(errno.EPIPE, "no server")
    return Standing.decode(data)


def _receive_job(channel: int) -> Job | None:
    """Wait for the next job; None when the server wants no more of this worker.

    OSError, also when no number is left for the connection.
    """
    end = handing.end_of(channel)
    try:
        data, fd = handing.receive(end, _MESSAGE_BYTES)
    finally:
        end.detach()
    if not data:
        return None
    ip, port, scope, standing = data.split(b" ", 3)
    text = ip.decode("ascii")
    peer: Address = (text, int(port))
    if ":" in text:
        peer = (text, int(port), 0, int(scope))
    return fd, peer, Standing.decode(standing)


class Birth:
    """What this process was when it was forked, and how to be that again. OSError."""

    __slots__ = (
        *("_cwd", "_environment", "_home", "_ignored", "_least", "_mask"),
        *("_open", "_program", "_umask"),
    )

    def __init__(self, channel: int, job: int) -> None:
        here = posix.open(".", posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
        self._cwd = _lifted(here)
        runtime.kept = frozenset((channel, self._cwd))
        self._environment = dict(environment.environ)
        self._program, self._home = runtime.program, runtime.home
        self._umask = posix.umask(0o077)
        posix.umask(self._umask)
        self._mask = signals.block(())
        self._ignored = signals.ignored()
        mine = runtime.kept | {job}
        inherited = chain.close_on_exec(chain.open_descriptors(), mine)
        self._open = frozenset(inherited) - mine
        left = limits.left()
        self._least = None if left is None else left * LEFT_AT_LEAST

    def again(self) -> bool:
        """After a job: be as at birth; False where that is impossible."""
        if not runtime.kept:
            return False
        signals.alarm(0)
        signals.restore(self._ignored)
        signals.set_mask(self._mask)
        posix.umask(self._umask)
        posix.fchdir(self._cwd)
        environment.replace(self._environment)
        runtime.program, runtime.home = self._program, self._home
        for fd in chain.open_descriptors():
            if fd not in self._open and fd not in runtime.kept:
                try:
                    posix.close(fd)
                except OSError:
                    pass  # the one that the look itself took
        if self._least is None:
            return True
        left = limits.left()
        return left is not None and left >= self._least


def _lifted(fd: int) -> int:
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, KEPT_FROM)
    posix.close(fd)
    return high


def is_possible() -> bool:
    """False where a limit counts what all the jobs of a process have used."""
    soft: int = resource.getrlimit(resource.RLIMIT_CPU)[0]
    return soft == resource.RLIM_INFINITY


def run(channel: int, job: Job, serve: Serve) -> int:
    """Serve a connection, then others; the status of the last."""

    def tell(client: bytes) -> Standing:
        return report(channel, client)

    try:
        channel = _lifted(channel)
        birth = Birth(channel, job[0])
    except OSError:
        # No number is left for a descriptor of its own: serve this one and end.
        runtime.kept = frozenset()
        return conclude(lambda: serve(*job, tell))
    following: Job | None = job
    for left in range(JOBS - 1, -1, -1):
        if following is None:
            return 0
        status = _serve(serve, following, tell)
        if status or not left:
            return status
        try:
            if not birth.again():
                return 0
            title.announce(b"tcpserver", [b"", b"worker"], stays=False)
            posix.write(channel, DONE)
            following = _receive_job(channel)
        except OSError:
            return 0
    return 0


def _serve(serve: Serve, job: Job, tell: Report) -> int:
    return conclude(lambda: serve(*job, tell))
