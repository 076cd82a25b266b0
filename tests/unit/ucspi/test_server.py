"""tcpserver's parent: what it does when the system gives less than it asks for."""

from __future__ import annotations

import _socket
import errno
import posix
import select
import time
from collections.abc import Callable, Iterator

import pytest

from pytools.base import signals
from pytools.base.exits import Exit
from pytools.process import child
from pytools.process.resolver import Resolver
from pytools.ucspi import worker
from pytools.ucspi.arguments import Arguments
from pytools.ucspi.children import Child
from pytools.ucspi.log import NORMAL, QUIET, Log
from pytools.ucspi.server import Server
from pytools.ucspi.verdict import Config


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that would reuse its children."""
    arguments = Arguments()
    arguments.verbosity = QUIET
    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    listener.setblocking(False)
    resolver = Resolver()
    made = Server([listener], Config(arguments, {}, 25), resolver, reuses=True)
    yield made
    listener.close()
    # Else this process, the tests', would ask it for names: nobody would answer.
    resolver.close()


def test_without_a_descriptor_for_a_channel_the_client_is_served_all_the_same(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[Callable[[], int]] = []

    def fork(body: Callable[[], int]) -> int:
        bodies.append(body)
        return 4711

    def no_channel() -> tuple[int, int]:
        raise OSError(errno.EMFILE, "no descriptor")

    monkeypatch.setattr(child, "fork", fork)
    monkeypatch.setattr(worker, "channel", no_channel)
    client = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0)
    try:
        client.connect(server._listeners[0].getsockname())
        select.select([server._listeners[0]], [], [], 20)
        server._accept(server._listeners[0])
    finally:
        client.close()
    assert len(bodies) == 1
    assert server.children.running == 1
    assert server.children._by_pid[4711].channel == -1


def test_run_without_descriptors_for_a_pipe_is_fatal(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_pipe(numbers: object) -> None:
        raise OSError(errno.EMFILE, "no descriptor")

    monkeypatch.setattr(signals, "SelfPipe", no_pipe)
    server._log.verbosity = NORMAL
    with pytest.raises(Exit) as end:
        server.run()
    assert (end.value.code, end.value.text) == (
        111,
        b"tcpserver: fatal: unable to create pipe: process cannot open more files",
    )


def test_number_of_a_resolver_that_could_not_start_is_free_for_a_channel(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_process(body: Callable[[], int]) -> int:
        raise OSError(errno.EAGAIN, "no process")

    monkeypatch.setattr(child, "fork", no_process)
    server._resolver.open()
    number = server._resolver.fd
    pipe, end = posix.pipe()
    server._watch(pipe)
    server._start_resolver()
    channel, theirs = worker.channel()
    try:
        assert channel == number
        server._poll.register(channel, select.POLLIN)
        server._watch(pipe)
        posix.write(theirs, worker.DONE)
        assert server._poll.poll(0) == [(channel, select.POLLIN)]
    finally:
        for fd in (pipe, end, channel, theirs):
            posix.close(fd)


@pytest.mark.parametrize("seconds", [2_147_483, 2_147_484, 2**31 - 1])
def test_end_of_a_drain_may_be_further_off_than_poll_can_wait(
    server: Server, seconds: int
) -> None:
    server._deadline = time.monotonic() + seconds
    pipe, end = posix.pipe()
    try:
        posix.write(end, b"x")
        server._watch(pipe)
        assert server._poll.poll(server._patience()) == [(pipe, select.POLLIN)]
    finally:
        posix.close(pipe)
        posix.close(end)


def test_worker_that_is_done_more_than_once_is_no_worker_any_more(
    server: Server,
) -> None:
    """It runs as a user, with strangers' bytes; the count must not go below zero."""
    children = server.children
    channel, theirs = worker.channel()
    made = Child(4711, channel, b"127.0.0.1")
    children._by_pid[4711] = children._by_channel[channel] = made
    server._poll.register(channel, select.POLLIN)
    children.running = 2
    try:
        for _ in range(3):
            posix.write(theirs, worker.DONE)
        for _ in range(3):
            children.hear(channel)
    finally:
        posix.close(theirs)
    assert children.running == 1
    assert not children.has_idle
    assert made.channel == -1


def answering(monkeypatch: pytest.MonkeyPatch, *answers: int) -> list[int]:
    """Have accept give these in turn, and then connections; the answers it gave."""
    given: list[int] = []

    def accept(server: Server, listener: _socket.socket) -> int:
        given.append(answers[len(given)] if len(given) < len(answers) else 0)
        assert len(given) < 1000, "there is no end"
        server.children.running += not given[-1]
        return given[-1]

    monkeypatch.setattr(Server, "_accept", accept)
    return given


def test_drain_takes_no_more_clients_than_may_have_waited(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many come meanwhile."""
    taken = answering(monkeypatch)
    server._drain(0)
    server._take_queued()
    assert len(taken) == server._config.arguments.backlog + 1
    assert not server._listeners


def test_drain_takes_nobody_when_its_time_is_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = answering(monkeypatch)
    now = time.monotonic()
    server._drain(5)
    assert server._deadline is not None
    assert now + 5 <= server._deadline <= time.monotonic() + 5
    server._deadline = now
    server._take_queued()
    assert (taken, server._listeners) == ([], [])
    server.children.running = 1
    with pytest.raises(Exit) as end:
        server._end_when_drained()
    assert end.value.code == 0


def test_client_that_has_gone_does_not_end_the_queue(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = answering(monkeypatch, errno.ECONNABORTED, 0, errno.EAGAIN)
    server._drain(0)
    server._take_queued()
    assert given == [errno.ECONNABORTED, 0, errno.EAGAIN]


def test_queue_waits_for_descriptors_while_connections_end(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = answering(monkeypatch, errno.EMFILE, 0, errno.ENFILE, errno.ENFILE)
    server.children.running = 1
    server._drain(0)
    server._take_queued()
    server._end_when_drained()
    assert server._patience() == 0
    server._take_queued()
    assert given == [errno.EMFILE, 0, errno.ENFILE]
    assert len(server._listeners) == 1
    # Nothing is left that could end.
    server.children.running = 0
    server._take_queued()
    assert not server._listeners
    with pytest.raises(Exit):
        server._end_when_drained()


def test_line_about_a_drain_comes_when_the_port_is_free(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = server._listeners[0].getsockname()
    lines: list[bytes] = []

    def event(log: Log, line: bytes) -> None:
        other = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0)
        try:
            other.bind(name)
        finally:
            other.close()
        lines.append(line)

    monkeypatch.setattr(Log, "event", event)
    server._drain(0)
    server._take_queued()
    assert lines == [b"drain 0"]


def test_two_descriptors_of_one_open_file_are_drained_and_given_back(
    server: Server,
) -> None:
    """The first must not block the second."""
    first = server._listeners[0]
    kept, second = posix.dup(first.fileno()), posix.dup(first.fileno())
    server._listeners.append(_socket.socket(fileno=second))
    posix.set_blocking(kept, True)
    try:
        server._borrow()
        assert not posix.get_blocking(kept)
        server._drain(0)
        server._take_queued()
        assert posix.get_blocking(kept)
        assert not server._listeners
    finally:
        posix.close(kept)
