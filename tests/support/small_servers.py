"""Small TCP servers for clients under test: one thread each, gone with their scene."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator

Handler = Callable[[socket.socket], object]
SECONDS = 20


@contextlib.contextmanager
def serving(
    handler: Handler, address: str = "127.0.0.1", port: int = 0
) -> Iterator[int]:
    """Serve connections, one after the other; the port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, port), family=family, backlog=20)
    stop, stopper = socket.socketpair()

    def run() -> None:
        while True:
            ready, _, _ = select.select([listener, stop], [], [])
            if stop in ready:
                return
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(SECONDS)
                with contextlib.suppress(OSError):
                    handler(connection)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stopper.close()
        thread.join(SECONDS)
        listener.close()
        stop.close()


@contextlib.contextmanager
def silent(address: str, port: int = 0) -> Iterator[int]:
    """A port whose queue is full: the kernel answers no attempt to connect; the port."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def say(text: bytes) -> Handler:
    """Send a text and close."""

    def handler(connection: socket.socket) -> None:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        # Until the client closes, too: else what it sends would make an error of it.
        while connection.recv(4096):
            pass

    return handler


def answer(end: bytes, before: bytes, after: bytes) -> Handler:
    """Read until ``end``; send the request back, readable, between two texts."""

    def handler(connection: socket.socket) -> None:
        request = b""
        while not request.endswith(end):
            chunk = connection.recv(4096)
            if not chunk:
                break
            request += chunk
        say(before + repr(request).encode() + after)(connection)

    return handler


def talk(connection: socket.socket) -> None:
    """Greet, repeat every line as it came, close after QUIT."""
    stream = connection.makefile("rb")
    connection.sendall(b"220 here\r\n")
    for line in stream:
        connection.sendall(b"250 " + repr(line).encode() + b"\r\n")
        if line.upper().startswith(b"QUIT"):
            break
    connection.shutdown(socket.SHUT_WR)
    stream.read()
    stream.close()
