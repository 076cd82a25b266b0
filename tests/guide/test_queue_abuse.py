"""What any user of the machine can do to the queue server's socket: nothing to others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guide import callers
from tests.guide.server import GuideServer
from tests.guide.smtp_load import send_one
from tests.guide.test_load import queue_files

STATE = "/tmp/callers-state"
SLOTS = 20
"""How many messages of one ordinary user may be on their way at once."""


@contextlib.contextmanager
def calling(
    server: GuideServer, mode: str, count: int
) -> Iterator[tuple[int, int, int]]:
    """dave's connections to the socket; how many, how many refused, and answered.

    They begin when the server has done with all others: a worker says that it is free,
    then it hangs up.
    """
    connected = "ss -Hx | grep -c run/queued"
    server.until(
        lambda: server.run(connected, check=False).stdout == "0\n", "no connection"
    )
    assert callers.__file__ is not None
    server.root.write("/tmp/callers.py", Path(callers.__file__).read_bytes())
    server.run(f"rm -f {STATE}; chmod 644 /tmp/callers.py")
    refusals = max(count - SLOTS, 0)
    command = (
        f"ulimit -n 4096; python3 /tmp/callers.py {mode} {count} {refusals} {STATE}"
    )
    running = server.root.start(f'exec su dave -s /bin/sh -c "{command}"')
    try:
        server.until(lambda: server.path(STATE).exists(), "the callers")
        connections, refused, answered = server.path(STATE).read_text().split()
        yield int(connections), int(refused), int(answered)
    finally:
        server.run(f"rm -f {STATE}")
        assert running.wait(60) == 0


def check_others_are_served(server: GuideServer) -> None:
    """SMTP, root and another user get their mail in as ever."""
    had = len(server.new_messages())
    assert send_one(server).startswith("250 ok ")
    server.run("/var/qmail/bin/qmail-inject dave", stdin="Subject: root's\n\nx\n")
    server.run(
        "su nobody -s /bin/sh -c '/var/qmail/bin/qmail-inject dave'",
        stdin="Subject: nobody's\n\nx\n",
    )
    server.until(lambda: len(server.new_messages()) == had + 3, "three messages")


def check_dave_is_served(server: GuideServer) -> None:
    """His connections gone, dave is served again, and nothing is left of them."""
    server.until(lambda: not queue_files(server), "nothing left in the queue")
    had = len(server.new_messages())

    def inject() -> bool:
        done = server.run(
            "su dave -c '/var/qmail/bin/qmail-inject dave'",
            stdin="Subject: dave's\n\nx\n",
            check=False,
        )
        return done.returncode == 0

    server.until(inject, "a slot for dave")
    server.until(lambda: len(server.new_messages()) == had + 1, "dave's message")
    server.until(lambda: not queue_files(server), "an empty queue")


@pytest.mark.parametrize("count", [1, SLOTS])
@pytest.mark.parametrize("mode", sorted(callers.SENT))
def test_caller_that_does_not_go_on_holds_nobody_up(
    server: GuideServer, mode: str, count: int
) -> None:
    before = server.pid_of("qmail-queued")
    with calling(server, mode, count) as (connections, refused, answered):
        assert (connections, refused, answered) == (count, 0, 0)
        check_others_are_served(server)
    check_dave_is_served(server)
    assert server.pid_of("qmail-queued") == before


def test_thousand_connections_of_one_user_are_refused_but_for_his_slots(
    server: GuideServer,
) -> None:
    before = server.pid_of("qmail-queued")
    with calling(server, "nothing", 1000) as (connections, refused, answered):
        assert connections == 1000
        assert refused == 1000 - SLOTS
        assert answered == 0
        check_others_are_served(server)
        done = server.run(
            "su dave -c '/var/qmail/bin/qmail-inject dave'",
            stdin="Subject: one too many\n\nx\n",
            check=False,
        )
        assert done.returncode == 111
        workers = server.run("pgrep -fc '^qmail-queued worker'").stdout
        assert int(workers) < SLOTS + 20
    check_dave_is_served(server)
    assert server.pid_of("qmail-queued") == before
