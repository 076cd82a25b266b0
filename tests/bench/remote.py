"""Messages a second from the queue to another machine, which is smtp-sink."""

from __future__ import annotations

from tests.bench.instance import REMOTE, SINK_PORT, Instance, instance
from tests.bench.table import Row, measure

BENCH = "messages a second delivered to smtp-sink, 4 KB, concurrencyremote 20"
MESSAGES = 400
ROUNDS = 3


def rows() -> list[Row]:
    with instance() as server:
        sink = f"exec {server.postfix('smtp-sink')} -u nobody 127.0.0.1:{SINK_PORT} 100"
        process = server.server.root.start(f"{sink} >/dev/null")
        try:
            server.server.wait_port(SINK_PORT)
            return [measure("", "msg/s", {"": lambda: drain(server)}, ROUNDS)]
        finally:
            process.terminate()
            process.wait()


def drain(server: Instance) -> float:
    """Fill the queue, then deliver."""
    server.stop_delivery()
    server.smtp_source(MESSAGES, 20, keep=True, to=f"joe@{REMOTE}")
    return server.drain()
