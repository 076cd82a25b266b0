"""qmail/remote/transport.py, over the loopback interface."""

from __future__ import annotations

import _socket
import errno
import select
import socket
import threading
import time
from types import SimpleNamespace

import pytest

from qmail.remote import transport
from qmail.remote.mx import Server
from tests.support.netns import own_network

LOOPBACK = Server(0, b"\x7f\0\0\1")
LONG = 60
"""Seconds, for what is not to take any."""


def listen(backlog: int = 5) -> tuple[socket.socket, int]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
    return listener, listener.getsockname()[1]


def test_connect_nobody_listens_is_no_timeout() -> None:
    # Its port is its own, so that nobody else comes to listen there.
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(transport.NoAnswer) as caught:
            transport.connect(LOOPBACK, port, LONG, LONG)
    assert not caught.value.timed_out


SIX = Server(0, bytes(15) + b"\1")


def test_connect_goes_to_ipv6_too() -> None:
    with own_network(), socket.create_server(("::1", 0), family=socket.AF_INET6) as up:
        transport.connect(SIX, up.getsockname()[1], LONG, LONG).close()


@pytest.mark.parametrize(
    ("code", "raised"),
    [(errno.EAFNOSUPPORT, transport.NoAnswer), (errno.EMFILE, OSError)],
)
def test_connect_of_a_kernel_without_ipv6_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, code: int, raised: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, "no socket")

    monkeypatch.setattr(_socket, "socket", fail)
    with pytest.raises(raised):
        transport.connect(SIX, 25, 5, 5)


def test_connect_full_queue_times_out() -> None:
    listener, port = listen(backlog=0)
    held = [socket.socket() for _ in range(4)]
    for one in held:
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", port))
    try:
        # It has room for one.
        assert select.select([listener], [], [], 20)[0]
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
    connection = transport.connect(LOOPBACK, port, LONG, LONG)
    connection.send(data)
    connection.close()
    thread.join(LONG)
    listener.close()
    assert bytes(received) == data


def test_connection_silent_peer_is_dropped() -> None:
    listener, port = listen()
    connection = transport.connect(LOOPBACK, port, LONG, 1)
    with pytest.raises(transport.Dropped) as caught:
        connection.receive()
    assert caught.value.timed_out
    # The time for the answer is over, not begun again.
    with pytest.raises(transport.Dropped):
        connection.receive()
    with pytest.raises(transport.Dropped) as caught:
        connection.send(b"x" * (1 << 24))
    assert caught.value.timed_out
    connection.close()
    listener.close()


def test_connection_closed_peer_is_end_of_file() -> None:
    listener, port = listen()
    connection = transport.connect(LOOPBACK, port, LONG, LONG)
    listener.accept()[0].close()
    assert connection.receive() == b""
    connection.close()
    listener.close()


def test_connection_waits_for_no_longer_than_what_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = iter([0.0, 59.9])
    monkeypatch.setattr(
        transport, "time", SimpleNamespace(monotonic=lambda: next(ticks))
    )
    listener, port = listen()
    with listener:
        connection = transport.connect(LOOPBACK, port, LONG, 60)
        started = time.monotonic()
        with pytest.raises(transport.Dropped):
            connection.receive()
        assert time.monotonic() - started < 30
        connection.close()


def test_connection_has_all_the_time_again_for_each_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=lambda: now))
    listener, port = listen()
    connection = transport.connect(LOOPBACK, port, LONG, 60)
    peer, _ = listener.accept()
    with listener, peer:
        for _ in range(3):
            now += 50
            connection.send(b"a")
            now += 50
            peer.sendall(peer.recv(1))
            assert connection.receive() == b"a"
        now += 50
        with pytest.raises(transport.Dropped):
            connection.receive()
    connection.close()
