"""A load on the installed server: nothing lost, nothing twice, also through kills."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import datetime
from itertools import pairwise
from typing import Any

from tests.conftest import ORIGINALS, tool
from tests.guide.server import HOST, GuideServer
from tests.guide.smtp_load import Copies, Load, arrived

MESSAGES = 2000
REMOTE_MESSAGES = 500
ENDLESS = 100_000
"""More than can come before the test ends it."""
KILLS = 10
LEFT_BY_A_KILL = 8
"""Removals that qmail-send asks qmail-clean for without waiting for the answer."""
CONCURRENCY_LOCAL = 10
UNDELIVERED = "todo intd info local remote bounce"
"""The files of a message that somebody waits for, in the order in which they come: who
looks for the first ones first misses none that becomes another meanwhile."""


def postfix(name: str) -> str:
    """The command of one of Postfix's test programs, with its libraries."""
    path = tool(name, "postfix")
    libraries = os.path.realpath(f"{ORIGINALS}/usr/lib/postfix")
    return f"LD_LIBRARY_PATH={libraries} exec {os.path.realpath(path)}"


def count_new(server: GuideServer) -> int:
    """How many messages lie in dave's new/."""
    return len(os.listdir(server.path("/home/dave/Maildir/new")))


def wait_for_empty_queue(server: GuideServer, seconds: float = 300.0) -> None:
    """Wait until everything is delivered, asking for retries now and then."""

    def is_empty() -> bool:
        time.sleep(0.2)
        return server.queue_is_empty()

    server.until(is_empty, "an empty queue", seconds)


def queue_files(
    server: GuideServer, of: str = "mess info local remote todo intd bounce pid"
) -> list[str]:
    """Every file of a message in the queue, in whatever state."""
    return server.run(
        f"cd /var/qmail/queue && find {of} -ignore_readdir_race -type f"
    ).stdout.split()


def sweep(server: GuideServer) -> None:
    """Take away what qmail-send left when it was killed: only mess/N, and only some.

    Between the end of info/N and that of mess/N a message is in S2, as one is that
    somebody began to queue. Only its age tells them apart, and to the sweep of
    qmail-send that is the time of the last change, which cannot be set back.
    """
    assert queue_files(server, f"{UNDELIVERED} pid") == []
    # What qmail-clean is still asked to remove is not left.
    server.until(lambda: len(queue_files(server)) <= LEFT_BY_A_KILL * KILLS, "few left")
    server.run("find /var/qmail/queue/mess -ignore_readdir_race -type f -delete")


def test_two_thousand_from_smtp_source_all_arrive_once(server: GuideServer) -> None:
    source = postfix("smtp-source")
    server.run(
        f"{source} -l 1000 -m {MESSAGES} -s 20 -f ann@example.org -t dave@{HOST}"
        " 127.0.0.1:25",
        seconds=300,
    )
    wait_for_empty_queue(server)
    assert count_new(server) == MESSAGES
    assert queue_files(server) == []
    server.until(lambda: not server.sessions(), "the end of every session")


def test_two_thousand_numbered_messages_arrive_each_exactly_once(
    server: GuideServer,
) -> None:
    with Load(server, MESSAGES) as load:
        load.wait()
    assert load.troubles == []
    assert load.accepted == set(range(1, MESSAGES + 1))
    wait_for_empty_queue(server)
    copies = arrived(server)
    assert set(copies) == load.accepted
    assert [number for number, times in copies.items() if len(times) > 1] == []
    assert queue_files(server) == []
    assert os.listdir(server.path("/home/dave/Maildir/tmp")) == []


def test_five_hundred_to_a_remote_domain_all_reach_the_sink(
    server: GuideServer,
) -> None:
    source, sink = postfix("smtp-source"), postfix("smtp-sink")
    server.run("rm -rf /tmp/sunk && mkdir -m 777 /tmp/sunk")
    running = server.root.start(
        f"echo $$ > /tmp/sink-pid; {sink} -u nobody -d /tmp/sunk/m. 127.0.0.3:2600 1000"
    )
    try:
        listening = "ss -Hltn sport = 2600"
        server.until(lambda: server.run(listening).stdout, "the sink")
        routes = "/var/qmail/control/smtproutes"
        server.run(f"echo far.example:127.0.0.3:2600 > {routes}")
        server.run(
            f"{source} -l 1000 -m {REMOTE_MESSAGES} -s 20 -f ann@example.org"
            " -t joe@far.example 127.0.0.1:25",
            seconds=300,
        )
        wait_for_empty_queue(server)
        # A file of the sink is one session, and qmail-remote sends one message in each.
        assert len(os.listdir(server.path("/tmp/sunk"))) == REMOTE_MESSAGES
        done = ": success: 127.0.0.3_accepted_message"
        server.until(lambda: server.log().count(done) >= REMOTE_MESSAGES, "their lines")
        assert server.log().count(done) == REMOTE_MESSAGES
        assert queue_files(server) == []
    finally:
        server.run(f"kill $(cat /tmp/sink-pid); rm -rf /tmp/sunk {routes}", check=False)
        running.wait()


def was_in_delivery(times: list[float], kills: list[float]) -> bool:
    """True if every copy but the last was made about when qmail-send was killed.

    And the next one after that: a kill lies between two. Times of files are those of
    the last tick of the clock, and a delivery may be slow to end or to be noted.
    """
    return all(
        any(kill - 4.0 <= one <= kill + 10.0 and kill <= next_ + 0.1 for kill in kills)
        for one, next_ in pairwise(times)
    )


def twice(copies: Copies) -> dict[int, list[float]]:
    """The numbers that came more than once."""
    return {number: times for number, times in copies.items() if len(times) > 1}


def qmail_send(server: GuideServer) -> dict[str, Any]:
    """What svstat(8) knows of it, which fails where a service is down."""
    done = server.run("svstat --json /service/qmail-send", check=False)
    state: dict[str, Any] = json.loads(done.stdout)
    return state


def end_qmail_send(server: GuideServer, letter: str) -> dict[str, Any]:
    """Send it a signal when it has begun to deliver; how it ended."""
    server.wait_up("qmail-send")
    before, delivered = qmail_send(server), count_new(server)
    server.until(lambda: count_new(server) > delivered, "deliveries")
    server.run(f"svc {letter} /service/qmail-send")
    server.until(
        lambda: qmail_send(server)["starts"] > before["starts"], "qmail-send again"
    )
    ending: dict[str, Any] = qmail_send(server)["exit"]
    return ending


def test_kills_and_restarts_of_qmail_send_lose_nothing(server: GuideServer) -> None:
    with Load(server, ENDLESS, a_second=60) as load:
        kills = []
        for _ in range(KILLS):
            killed = end_qmail_send(server, "-k")
            assert killed["signal"] == signal.SIGKILL
            kills.append(datetime.fromisoformat(killed["at"]).timestamp())
            assert end_qmail_send(server, "-t")["code"] == 0
        load.stop()
    assert load.troubles == []
    server.until(
        lambda: not queue_files(server, UNDELIVERED), "every message delivered", 120
    )
    copies = arrived(server)
    assert set(copies) == load.accepted == load.given
    again = twice(copies)
    assert len(again) <= KILLS * CONCURRENCY_LOCAL
    late = {n: t for n, t in again.items() if not was_in_delivery(t, kills)}
    assert late == {}, (late, kills)
    sweep(server)
