"""Ident servers (RFC 1413) on loopback addresses of a test's own."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Iterator

PORT = 113
SECONDS = 20
SILENT, RESET = b"SILENT", b"RESET"
"""Instead of an answer: say nothing; end the connection hard."""


class IdentServers:
    """Answers each query at an address with the bytes that ``answers`` has for it.

    A tuple is sent in pieces, each in a segment of its own.
    """

    def __init__(self, answers: dict[str, bytes | tuple[bytes, ...]]) -> None:
        self._answers = answers
        self.asked: list[tuple[str, bytes]] = []
        self._selector = selectors.DefaultSelector()
        self._open: list[socket.socket] = []
        for address in answers:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listener = socket.create_server((address, PORT), family=family)
            self._open.append(listener)
            self._selector.register(listener, selectors.EVENT_READ, address)
        self._stop, self._stopper = socket.socketpair()
        self._selector.register(self._stop, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._stop:
                    return
                assert isinstance(key.fileobj, socket.socket)
                connection, _ = key.fileobj.accept()
                # Whoever asked may have gone meanwhile.
                with contextlib.suppress(OSError):
                    self._serve(connection, key.data)

    def _serve(self, connection: socket.socket, address: str) -> None:
        connection.settimeout(SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        query = b""
        while not query.endswith(b"\n") and (chunk := connection.recv(512)):
            query += chunk
        self.asked.append((address, query))
        answer = self._answers[address]
        if answer == SILENT:
            self._open.append(connection)
            return
        if answer == RESET:
            hard = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, hard)
            connection.close()
            return
        with contextlib.suppress(OSError), connection:
            for piece in answer if isinstance(answer, tuple) else (answer,):
                connection.sendall(piece)

    def close(self) -> None:
        """Stop answering."""
        self._stopper.close()
        self._thread.join(2 * SECONDS)
        for each in (*self._open, self._stop):
            each.close()
        self._selector.close()


@contextlib.contextmanager
def identifying(
    answers: dict[str, bytes | tuple[bytes, ...]],
) -> Iterator[IdentServers]:
    """Servers for the length of a with statement."""
    servers = IdentServers(answers)
    try:
        yield servers
    finally:
        servers.close()
