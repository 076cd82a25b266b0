"""A warm parent's resolver: the listening socket, and the child that serves it.

Socket       it has a random abstract name. Name and token are in the memory of the
             parent, and so of its forks: no descriptor has to be kept.
Child        carries dnspython, which costs 100 ms and 15 MB, for all of them; it is
             started by the parent, and ends when it has no relatives left to serve.
"""

from __future__ import annotations

import _socket
import posix
import resource
import sys
import time

from pytools.base import fds
from pytools.process import child

YOUNG_SECONDS = 10
"""A resolver that ends sooner than this is in trouble; another would be, too."""
RETRY_SECONDS = 60
BACKLOG = 1024
LIMITS = (
    resource.RLIMIT_AS,
    resource.RLIMIT_DATA,
    resource.RLIMIT_STACK,
    resource.RLIMIT_MEMLOCK,
    resource.RLIMIT_NOFILE,
)


class Endpoint:
    """Where a resolver listens, what it wants to hear, and whose socket it is."""

    __slots__ = ("address", "pid", "token", "uid")

    def __init__(self) -> None:
        self.address = b"\0pyqmail-resolver-" + posix.urandom(16).hex().encode()
        self.token = posix.urandom(16)
        self.pid = posix.getpid()
        self.uid = posix.geteuid()


_endpoint: Endpoint | None = None
"""The resolver of this process or of the ancestor that forked it. It belongs to the
process, as its environment does; a warm parent that starts one replaces it."""


def endpoint() -> Endpoint | None:
    """The resolver that this process and its children would ask."""
    return _endpoint


class Resolver:
    """The warm parent's side: the listening socket, and the child that serves it.

    ``start`` after the last change of uid. Hand every reaped pid to ``reaped``; while
    ``wanted`` is true, poll ``fd`` for reading and ``start`` when a query waits there.
    """

    __slots__ = ("_alive", "_born", "_retry_at", "_servers", "fd", "pid")

    def __init__(self, servers: list[tuple[str, int]] | None = None) -> None:
        self.fd = -1
        self.pid = 0
        self._alive = -1
        self._born = 0.0
        self._retry_at = 0.0
        self._servers = servers

    @property
    def wanted(self) -> bool:
        """True while queries would wait for a child that is not there."""
        return self.fd >= 0 and self.pid == 0

    def open(self) -> None:
        """Listen, without a child yet. OSError."""
        if self.fd >= 0:
            return
        global _endpoint
        endpoint = Endpoint()
        listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0)
        try:
            listener.bind(endpoint.address)
            listener.listen(BACKLOG)
            self.fd = listener.detach()
        finally:
            listener.close()
        _endpoint = endpoint

    def start(self) -> None:
        """Fork the child, unless there is one. OSError."""
        if self.pid:
            return
        self.open()
        endpoint, listener, servers = _endpoint, self.fd, self._servers
        assert endpoint is not None
        watch, alive = fds.pipe()

        def body() -> int:
            _keep_only({2, listener, watch})
            lift_limits()
            _leave_out_the_unused()
            from pytools.process import resolver_child

            return resolver_child.serve(listener, watch, endpoint.token, servers)

        try:
            self.pid = child.fork(body)
        except OSError:
            posix.close(alive)
            raise
        finally:
            posix.close(watch)
        self._alive, self._born = alive, time.monotonic()

    def reaped(self, pid: int) -> bool:
        """Note that a child ended; True if it was the resolver.

        The next one is started by its first query (see ``wanted``). After an early
        death the socket is closed, so that nobody waits on it; queries go the other way
        until ``reopen``.
        """
        if pid != self.pid or not pid:
            return False
        self.pid = 0
        posix.close(self._alive)
        self._alive = -1
        if time.monotonic() - self._born < YOUNG_SECONDS:
            self.close()
        return True

    def reopen(self) -> None:
        """Listen again after a trouble, when enough time went by. OSError."""
        if self.fd < 0 and time.monotonic() >= self._retry_at:
            self.open()

    def restart(self) -> None:
        """Have a child again after one ended; not sooner than makes sense. OSError."""
        self.reopen()
        if self.fd >= 0:
            self.start()

    def close(self) -> None:
        """Listen no longer; the child ends when it has no relatives left to serve."""
        global _endpoint
        self._retry_at = time.monotonic() + RETRY_SECONDS
        _endpoint = None
        for fd in (self.fd, self._alive):
            if fd >= 0:
                posix.close(fd)
        self.fd = self._alive = -1


def _leave_out_the_unused() -> None:
    """Spare this process what dnspython and asyncio import for TLS, HTTPS and QUIC.

    PERF: 13.6 MB instead of 16.6. Without versions of packages dnspython takes none of
    its extras for installed; without ssl it speaks UDP and TCP only, as we do.
    """
    nothing = type(sys)("importlib.metadata")
    sys.modules.setdefault("importlib.metadata", nothing)
    sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]  # means: there is none


def lift_limits() -> None:
    """Raise this process's soft limits to its hard ones.

    softlimit is for sessions; what a stranger can make grow here is bounded otherwise.
    """
    for limit in LIMITS:
        _, hard = resource.getrlimit(limit)
        try:
            resource.setrlimit(limit, (hard, hard))
        except (OSError, ValueError):
            pass


def _keep_only(wanted: set[int]) -> None:
    # The resolver outlives its parent by a moment: a listening socket or a lock that it
    # held on to would keep the parent's successor from starting.
    for name in posix.listdir("/proc/self/fd"):
        if int(name) not in wanted:
            try:
                posix.close(int(name))
            except OSError:
                pass
