"""The copier's flows, on pipes of this process."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator

import pytest

from pytools.base import fds
from pytools.ucspi.copying import PIECE, Flow


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


def test_flow_waits_on_a_descriptor_that_somebody_else_emptied(
    pipes: tuple[int, int, int, int],
) -> None:
    _, source, sink, _ = pipes
    os.set_blocking(source, False)
    flow = Flow(source, sink, bytes)
    flow.step()
    assert not flow.over
    assert flow.awaits() == (source, select.POLLIN)
