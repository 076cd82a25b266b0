"""The asking side of a connection to the resolver child: many queries at once.

SECURITY     the client looks whether the parent itself made the socket before it sends
             the token; the child answers nobody without it.
Trouble      a child that dies under a query has a successor, which is asked again. Where
             nobody listens, the query is given back.
"""

from __future__ import annotations

import _socket
import errno
import select
import sys
import time

from pytools.base.netstring import Malformed, encode
from pytools.process.dnsanswers import decode_answer
from pytools.process.resolver_parent import Endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.process.dnsanswers import Answer, Enough, Query

TRIES = 3
PAUSE_SECONDS = 0.05
_SO_PEERCRED = 17


class Asking:
    """Queries under way to the resolver child, a connection each."""

    __slots__ = (
        "_answers",
        "_endpoint",
        "_left",
        "_open",
        "_poll",
        "_queries",
        "_tries",
    )

    def __init__(
        self, where: Endpoint, queries: list[Query], answers: list[Answer | None]
    ) -> None:
        self._endpoint = where
        self._queries = queries
        self._answers = answers
        self._left: list[int] = []
        """Of those that the child cannot be asked, the indices."""
        self._open: dict[int, tuple[int, _socket.socket, list[bytes]]] = {}
        self._poll = select.poll()
        self._tries = [TRIES] * len(queries)

    def run(self, deadline: float, enough: Enough) -> list[int]:
        """Fill in the answers; those that somebody else has to be asked for."""
        waiting = list(range(len(self._queries)))
        try:
            while True:
                waiting = [index for index in waiting if not self._connect(index)]
                left = deadline - time.monotonic()
                if left <= 0 or not (waiting or self._open):
                    return self._left
                # While its queue is full, try again soon.
                patience = min(left, PAUSE_SECONDS) if waiting else left
                for fd, _ in self._poll.poll(patience * 1000):
                    failed = self._receive(fd)
                    if failed is not None:
                        waiting.append(failed)
                if enough(self._answers):
                    return self._left
        finally:
            for _, connection, _ in self._open.values():
                connection.close()

    def _connect(self, index: int) -> bool:
        """Send a query, or give it up; False to try again later."""
        while self._tries[index]:
            try:
                connection = self._send(index)
            except BlockingIOError:
                return False
            except ConnectionRefusedError:
                break
            except OSError as error:
                if error.errno == errno.EMFILE and self._open:
                    # There will be a descriptor when one of the others is answered.
                    return False
                self._tries[index] -= 1
                continue
            self._open[connection.fileno()] = index, connection, []
            self._poll.register(connection.fileno(), select.POLLIN)
            return True
        self._left.append(index)
        return True

    def _send(self, index: int) -> _socket.socket:
        """A connection to the resolver, with a query sent on it. OSError."""
        where = self._endpoint
        kind, name = self._queries[index]
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0)
        try:
            connection.setblocking(False)
            connection.connect(where.address)
            who = connection.getsockopt(_socket.SOL_SOCKET, _SO_PEERCRED, 12)
            pid = int.from_bytes(who[:4], sys.byteorder)
            uid = int.from_bytes(who[4:8], sys.byteorder)
            if (pid, uid) != (where.pid, where.uid):
                # SECURITY: the parent is gone and somebody else took the name.
                raise ConnectionRefusedError(errno.ECONNREFUSED, "not our resolver")
            connection.sendall(encode(where.token) + encode(kind) + encode(name))
        except OSError:
            connection.close()
            raise
        return connection

    def _receive(self, fd: int) -> int | None:
        """Take what came; the index of a query that must be sent again."""
        index, connection, parts = self._open[fd]
        try:
            chunk = connection.recv(65536)
            parts.append(chunk)
            if chunk:
                return None
            self._answers[index] = decode_answer(b"".join(parts))
            failed = None
        except (OSError, Malformed):
            # It died under our query; a new one will take the next.
            self._tries[index] -= 1
            failed = index
        self._poll.unregister(fd)
        del self._open[fd]
        connection.close()
        return failed
