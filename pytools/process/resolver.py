"""DNS for warm parents and their children, without dnspython in any of them.

Why          dnspython costs 100 ms and 15 MB; a session has neither to spare. One child
             of the warm parent carries it and answers everybody over a Unix socket.
Finding it   the socket has a random abstract name. Name and token are in the memory of
             the parent, and so of its forks: no descriptor has to be kept.
             SECURITY: the client checks that the parent itself made the socket before
             it sends the token; the child answers nobody without it.
Without it   (no warm parent, it ended, a foreign program in between) a query is
             answered by dnspython in this process, or in a short-lived child where
             softlimit leaves no room for an import.
Answers      text as bytes. An empty list: the name exists without such data.
             ``DnsPermanent``: no such name. ``DnsTemporary``: try again later.
"""

from __future__ import annotations

import _socket
import errno
import posix
import resource
import select
import sys
import time

from pytools.base import fds
from pytools.base.ip import parse_ip4
from pytools.base.netstring import Decoder, Malformed, encode
from pytools.process import child

ANSWER_SECONDS = 45
"""How long a client waits: longer than the resolver tries."""
YOUNG_SECONDS = 10
"""A resolver that ends sooner than this is in trouble; another would be, too."""
RETRY_SECONDS = 60
BACKLOG = 1024
TRIES = 3
PAUSE_MS = 50
LIMITS = (
    resource.RLIMIT_AS,
    resource.RLIMIT_DATA,
    resource.RLIMIT_STACK,
    resource.RLIMIT_MEMLOCK,
    resource.RLIMIT_NOFILE,
)
_SO_PEERCRED = 17


class DnsTemporary(Exception):
    """No answer could be had now."""


class DnsPermanent(Exception):
    """There is no such name."""


def ptr(ip: bytes) -> list[bytes]:
    """The names of an address given as text (``192.0.2.1`` or IPv6)."""
    return _ask(b"ptr", ip)


def a(name: bytes) -> list[bytes]:
    """The IPv4 addresses of a name, as text; of an address the address itself."""
    return [name] if parse_ip4(name) else _ask(b"a", name)


def aaaa(name: bytes) -> list[bytes]:
    """The IPv6 addresses of a name, as text."""
    return _ask(b"aaaa", name)


def mx(name: bytes) -> list[tuple[int, bytes]]:
    """(preference, host) of a name's mail exchangers; the root is ``.``."""
    found = []
    for item in _ask(b"mx", name):
        preference, _, host = item.partition(b" ")
        found.append((int(preference), host))
    return found


def txt(name: bytes) -> list[bytes]:
    """The texts of a name, the strings of each joined."""
    return _ask(b"txt", name)


def qualified(name: bytes) -> list[bytes]:
    """The IPv4 addresses of a host name, tried with the search list of resolv.conf."""
    return _ask(b"host", name)


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


def _ask(kind: bytes, name: bytes) -> list[bytes]:
    """Ask whoever can answer; see the module's text."""
    endpoint = _endpoint
    if endpoint is not None:
        request = encode(endpoint.token) + encode(kind) + encode(name)
        for _ in range(TRIES):
            try:
                return read_answer(_exchange(endpoint, request))
            except TimeoutError:
                raise DnsTemporary from None
            except ConnectionRefusedError:
                break
            except (OSError, Malformed):
                # It died under our query; a new one will take the next.
                continue
    return _answer_here(kind, name)


def _exchange(endpoint: Endpoint, request: bytes) -> bytes:
    """Send a request to the resolver; its whole answer."""
    deadline = time.monotonic() + ANSWER_SECONDS
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0)
    try:
        connection.settimeout(ANSWER_SECONDS)
        while True:
            try:
                connection.connect(endpoint.address)
                break
            except BlockingIOError:
                # Its queue is full.
                if time.monotonic() > deadline:
                    raise TimeoutError from None
                select.select([], [], [], PAUSE_MS / 1000)
        who = connection.getsockopt(_socket.SOL_SOCKET, _SO_PEERCRED, 12)
        pid = int.from_bytes(who[:4], sys.byteorder)
        uid = int.from_bytes(who[4:8], sys.byteorder)
        if (pid, uid) != (endpoint.pid, endpoint.uid):
            # SECURITY: the parent is gone and somebody else took the name.
            raise ConnectionRefusedError(errno.ECONNREFUSED, "not our resolver")
        connection.sendall(request)
        parts = []
        while chunk := connection.recv(65536):
            parts.append(chunk)
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
        return b"".join(parts)
    finally:
        connection.close()


def read_answer(data: bytes) -> list[bytes]:
    """The items of an encoded answer. DnsTemporary, DnsPermanent, Malformed."""
    decoder = Decoder()
    decoder.receive(data)
    verdict = decoder.next()
    if verdict == b"Z":
        raise DnsTemporary
    if verdict == b"D":
        raise DnsPermanent
    if verdict != b"K":
        raise Malformed
    items = []
    while (item := decoder.next()) is not None:
        items.append(item)
    if decoder.pending:
        raise Malformed
    return items


def _answer_here(kind: bytes, name: bytes) -> list[bytes]:
    """Answer with dnspython, which this process may have to import for it."""

    def work() -> bytes:
        from pytools.process import dnsnames

        return dnsnames.answer(dnsnames.Names(None), kind, name)

    def work_unlimited() -> bytes:
        lift_limits()
        return work()

    limited = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    if not limited or "pytools.process.dnsnames" in sys.modules:
        return read_answer(work())
    try:
        return read_answer(child.in_child(work_unlimited))
    except OSError:
        raise DnsTemporary from None
