"""A TCP connection to a mail server, every wait of it bounded."""

from __future__ import annotations

import _socket
import errno

from pytools.base.ip import format_ip4

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qmail.remote.mx import Server

CHUNK = 32768

# Python waits with poll until its time limit, then says the socket would block.
_TIMEOUTS = frozenset({errno.ETIMEDOUT, errno.EAGAIN, errno.EINPROGRESS})


class Dropped(Exception):
    """The connection died, or was silent for too long."""


class NoAnswer(Exception):
    """The host did not accept a connection; ``timed_out`` if it did not answer."""

    def __init__(self, timed_out: bool) -> None:
        super().__init__(timed_out)
        self.timed_out = timed_out


class Connection:
    """A connected socket. Each wait ends after ``timeout`` seconds."""

    __slots__ = ("_socket",)

    def __init__(self, sock: _socket.socket, timeout: int) -> None:
        self._socket = sock
        sock.settimeout(timeout)

    def receive(self) -> bytes:
        """What the peer sent; b"" at its end. Raises Dropped."""
        try:
            return self._socket.recv(CHUNK)
        except OSError:
            raise Dropped from None

    def send(self, data: bytes) -> None:
        """Send all of ``data``; the time limit is for each piece that gets through."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._socket.send(rest) :]
        except OSError:
            raise Dropped from None

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def connect(
    server: Server, port: int, connect_timeout: int, timeout: int
) -> Connection:
    """Connect. Raises NoAnswer; OSError when there is no socket to be had."""
    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    sock.settimeout(connect_timeout)
    try:
        code = sock.connect_ex((format_ip4(server.address).decode(), port))
    except OSError as error:
        code = error.errno or errno.EIO
    if code:
        sock.close()
        raise NoAnswer(code in _TIMEOUTS)
    return Connection(sock, timeout)
