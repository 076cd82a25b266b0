"""A home with a queue. Tests that need another kind of home have a fixture of theirs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.leftovers import nothing_left_over
from tests.support.queuehome import QueueHome, queue_home


@pytest.fixture
def home() -> Iterator[QueueHome]:
    """A home without a server; neither a child nor a descriptor is left behind."""
    with nothing_left_over(), queue_home() as home:
        yield home


@pytest.fixture
def served(home: QueueHome) -> QueueHome:
    """The home with its server."""
    home.start()
    return home
