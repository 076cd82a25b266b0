"""pytools/ucspi/flow.py, on pipes of this process."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator

import pytest

from pytools.base import fds
from pytools.ucspi.flow import PIECE, Flow


@pytest.fixture
def pipes() -> Iterator[tuple[int, int, int, int]]:
    """(feed, source, sink, drain)."""
    (source, feed), (drain, sink) = fds.pipe(), fds.pipe()
    yield feed, source, sink, drain
    for fd in (feed, source, sink, drain):
        try:
            os.close(fd)
        except OSError:
            pass


def test_flow_reads_only_when_all_is_written(pipes: tuple[int, int, int, int]) -> None:
    feed, source, sink, drain = pipes
    flow = Flow(source, sink, bytes.upper)
    assert flow.awaits() == (source, select.POLLIN)
    os.write(feed, b"some")
    flow.step()
    assert flow.awaits() == (sink, select.POLLOUT)
    flow.step()
    assert flow.awaits() == (source, select.POLLIN)
    assert os.read(drain, 100) == b"SOME"


def test_flow_that_grew_is_written_in_pieces(pipes: tuple[int, int, int, int]) -> None:
    feed, source, sink, drain = pipes
    flow = Flow(source, sink, lambda block: block + block)
    os.write(feed, b"x" * PIECE)
    flow.step()
    flow.step()
    assert len(os.read(drain, 1 << 16)) == PIECE
    assert flow.awaits() == (sink, select.POLLOUT)
    flow.step()
    assert len(os.read(drain, 1 << 16)) == PIECE
    assert flow.awaits() == (source, select.POLLIN)


def test_flow_is_over_at_end_of_file(pipes: tuple[int, int, int, int]) -> None:
    feed, source, sink, _ = pipes
    seen: list[bytes] = []

    def see(block: bytes) -> bytes:
        seen.append(block)
        return block

    flow = Flow(source, sink, see)
    os.close(feed)
    flow.step()
    assert (flow.over, seen) == (True, [b""])


def test_flow_is_over_when_nobody_reads(pipes: tuple[int, int, int, int]) -> None:
    feed, source, sink, drain = pipes
    flow = Flow(source, sink, bytes)
    os.write(feed, b"some")
    flow.step()
    os.close(drain)
    flow.step()
    assert flow.over


def test_flow_that_reads_on_drops_what_nobody_takes(
    pipes: tuple[int, int, int, int],
) -> None:
    feed, source, sink, drain = pipes
    flow = Flow(source, sink, reads_on=True)
    os.close(drain)
    for _ in range(2):
        os.write(feed, b"some")
        flow.step()
        assert flow.awaits() == (sink, select.POLLOUT)
        flow.step()
        assert flow.awaits() == (source, select.POLLIN)
        assert not flow.over
    os.close(feed)
    flow.step()
    assert flow.over


def test_flow_writes_what_the_end_of_its_source_gave(
    pipes: tuple[int, int, int, int],
) -> None:
    feed, source, sink, drain = pipes
    flow = Flow(source, sink, lambda block: block or b"the end")
    os.close(feed)
    was_over = []
    for awaited in ((source, select.POLLIN), (sink, select.POLLOUT)):
        assert flow.awaits() == awaited
        flow.step()
        was_over.append(flow.over)
    assert was_over == [False, True]
    assert os.read(drain, 100) == b"the end"


def test_flow_gives_a_socket_no_more_than_it_takes(
    pipes: tuple[int, int, int, int],
) -> None:
    feed, source, _, _ = pipes
    ours, theirs = socket.socketpair()
    with ours, theirs:
        flow = Flow(source, ours.fileno())
        # It never waits: the second step of each round ends where the socket is full.
        while not flow.over and flow.awaits()[0] == source:
            os.write(feed, b"x" * PIECE)
            flow.step()
            flow.step()
        before = len(theirs.recv(1 << 24))
        flow.step()
        assert flow.awaits() == (source, select.POLLIN)
        assert before > PIECE


def test_flow_waits_on_a_descriptor_that_somebody_else_emptied(
    pipes: tuple[int, int, int, int],
) -> None:
    _, source, sink, _ = pipes
    os.set_blocking(source, False)
    flow = Flow(source, sink, bytes)
    flow.step()
    assert not flow.over
    assert flow.awaits() == (source, select.POLLIN)
