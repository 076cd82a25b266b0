"""qmail/remote/transport.py, over the loopback interface."""

from __future__ import annotations

import socket
import threading

import pytest

from qmail.remote import transport
from qmail.remote.mx import Server

LOOPBACK = Server(0, b"\x7f\0\0\1")


def listen(backlog: int = 5) -> tuple[socket.socket, int]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
    return listener, listener.getsockname()[1]


def test_connect_nobody_listens_is_no_timeout() -> None:
    listener, port = listen()
    listener.close()
    with pytest.raises(transport.NoAnswer) as caught:
        transport.connect(LOOPBACK, port, 5, 5)
    assert not caught.value.timed_out


def test_connect_full_queue_times_out() -> None:
    listener, port = listen(backlog=0)
    held = [socket.socket() for _ in range(4)]
    for one in held:
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", port))
    try:
        with pytest.raises(transport.NoAnswer) as caught:
            transport.connect(LOOPBACK, port, 1, 1)
        assert caught.value.timed_out
    finally:
        for one in [*held, listener]:
            one.close()


def test_connection_carries_more_than_the_kernel_holds() -> None:
    listener, port = listen()
    data = bytes(range(256)) * 40000
    received = bytearray()

    def drain() -> None:
        peer, _ = listener.accept()
        with peer:
            while chunk := peer.recv(65536):
                received.extend(chunk)

    thread = threading.Thread(target=drain)
    thread.start()
    connection = transport.connect(LOOPBACK, port, 5, 5)
    connection.send(data)
    connection.close()
    thread.join(20)
    listener.close()
    assert bytes(received) == data


def test_connection_silent_peer_is_dropped() -> None:
    listener, port = listen()
    connection = transport.connect(LOOPBACK, port, 5, 1)
    with pytest.raises(transport.Dropped):
        connection.receive()
    with pytest.raises(transport.Dropped):
        connection.send(b"x" * (1 << 24))
    connection.close()
    listener.close()


def test_connection_closed_peer_is_end_of_file() -> None:
    listener, port = listen()
    connection = transport.connect(LOOPBACK, port, 5, 5)
    listener.accept()[0].close()
    assert connection.receive() == b""
    connection.close()
    listener.close()
