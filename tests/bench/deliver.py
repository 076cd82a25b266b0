"""Messages a second from the queue to a Maildir, and in and out at once."""

from __future__ import annotations

import time

from tests.bench.instance import Instance, instance
from tests.bench.table import Row, measure

BENCH = "messages a second delivered to a Maildir, 4 KB, concurrencylocal 20"
MESSAGES = 500
ROUNDS = 3


def rows() -> list[Row]:
    with instance() as server:
        return [
            measure("from a full queue", "msg/s", {"": lambda: drain(server)}, ROUNDS),
            measure("while accepting", "msg/s", {"": lambda: both(server)}, ROUNDS),
        ]


def drain(server: Instance) -> float:
    """Fill the queue, then deliver."""
    server.stop_delivery()
    server.smtp_source(MESSAGES, 20, keep=True)
    return server.drain()


def both(server: Instance) -> float:
    """From the first connection to the last delivery."""
    began = time.monotonic()
    server.smtp_source(MESSAGES, 20)
    server.drain()
    return MESSAGES / (time.monotonic() - began)
