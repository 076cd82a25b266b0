"""A TCP connection to a mail server, every wait of it bounded."""

from __future__ import annotations

import _socket
import errno
import time

from pytools.base.ip import format_ip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qmail.remote.mx import Server

CHUNK = 32768

# Python waits with poll until its time limit, then says the socket would block.
_TIMEOUTS = frozenset({errno.ETIMEDOUT, errno.EAGAIN, errno.EINPROGRESS})


class Dropped(Exception):
    """The connection died, or ``timed_out``: it was silent for too long."""

    def __init__(self, timed_out: bool) -> None:
        super().__init__(timed_out)
        self.timed_out = timed_out


class NoAnswer(Exception):
    """The host did not accept a connection; ``timed_out`` if it did not answer."""

    def __init__(self, timed_out: bool) -> None:
        super().__init__(timed_out)
        self.timed_out = timed_out


class Connection:
    """A connected socket.

    ``timeout`` seconds are what the peer has to take a piece of what is sent, and to
    answer in full since then. COMPAT: the original waits anew after each byte of the
    answer, so that a server can keep it waiting as long as it likes.
    """

    __slots__ = ("_deadline", "_socket", "_timeout")

    def __init__(self, sock: _socket.socket, timeout: int) -> None:
        self._socket = sock
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout

    def receive(self) -> bytes:
        """What the peer sent; b"" at its end. Raises Dropped."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Dropped(timed_out=True)
        self._socket.settimeout(left)
        try:
            return self._socket.recv(CHUNK)
        except OSError as error:
            raise _dropped(error) from None

    def send(self, data: bytes) -> None:
        """Send all of ``data``; the time limit is for each piece that gets through."""
        rest = memoryview(data)
        self._socket.settimeout(self._timeout)
        try:
            while rest:
                rest = rest[self._socket.send(rest) :]
        except OSError as error:
            raise _dropped(error) from None
        finally:
            self._deadline = time.monotonic() + self._timeout

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def connect(
    server: Server, port: int, connect_timeout: int, timeout: int
) -> Connection:
    """Connect. Raises NoAnswer; OSError when there is no socket to be had."""
    address = server.address
    family = _socket.AF_INET if len(address) == 4 else _socket.AF_INET6
    try:
        sock = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    except OSError as error:
        if error.errno != errno.EAFNOSUPPORT:
            raise
        # A kernel without IPv6.
        raise NoAnswer(timed_out=False) from None
    sock.settimeout(connect_timeout)
    try:
        code = sock.connect_ex((format_ip(address).decode(), port))
    except OSError as error:
        code = error.errno or errno.EIO
    if code:
        sock.close()
        raise NoAnswer(code in _TIMEOUTS)
    return Connection(sock, timeout)


def _dropped(error: OSError) -> Dropped:
    return Dropped(isinstance(error, TimeoutError) or error.errno in _TIMEOUTS)
