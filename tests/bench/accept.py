"""Messages a second that qmail-smtpd accepts, while nothing is delivered."""

from __future__ import annotations

from tests.bench.instance import instance
from tests.bench.table import ROUNDS, Contender, Row, measure

BENCH = "messages a second by SMTP, 4 KB, queue on the disk, qmail-send down"
CASES = (
    ("1 session, a message each", 150, 1, False),
    ("20 sessions, a message each", 400, 20, False),
    ("1 session, many messages", 400, 1, True),
    ("20 sessions, many messages", 800, 20, True),
)


def rows() -> list[Row]:
    with instance() as server:
        server.stop_delivery()

        def contender(messages: int, sessions: int, keep: bool) -> Contender:
            return lambda: server.smtp_source(messages, sessions, keep)

        result = []
        for case, messages, sessions, keep in CASES:
            server.smtp_source(40, 20)  # warm
            ours = contender(messages, sessions, keep)
            result.append(measure(case, "msg/s", {"": ours}, ROUNDS))
        return result
