"""``make setup`` over a running server: who runs goes on, who starts is the new one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from tests.guide.server import HOST, SERVICES, SOURCE, GuideServer
from tests.guide.smtp_load import Load, Talk, arrived, send_one
from tests.guide.test_load import ENDLESS, queue_files

RUNTIMES = "/usr/local/lib/pyqmail"
REPLIES = f"{SOURCE}/qmail/smtp/replies.py"
DELIVERY = f"{SOURCE}/qmail/local/delivery.py"
OLD = ENDLESS + 1
"""The number of a message whose session began before."""
ALL = (*SERVICES, "qmail-queued", "qmail-queued/log")


def runtimes(server: GuideServer) -> set[str]:
    """The names of the runtime directories."""
    names = os.listdir(server.path(RUNTIMES))
    return {name for name in names if name[0].isdigit()}


def make_setup(server: GuideServer) -> None:
    """make setup check, which must have nothing to say."""
    done = server.setup()
    assert "instcheck" not in done.stdout + done.stderr
    assert "fatal" not in done.stdout + done.stderr


def help_text(server: GuideServer) -> str:
    """What a new session says to HELP."""
    with Talk(server) as talk:
        assert talk.reply().startswith("220 ")
        return talk.say("HELP")


def runs_from(server: GuideServer, service: str) -> set[str]:
    """The runtime that a service has its libraries from, as a set of one."""
    maps = server.run(f"cat /proc/{server.pid_of(service)}/maps", check=False).stdout
    paths = [line.split(RUNTIMES + "/")[1:] for line in maps.splitlines()]
    return {path[0].partition("/")[0] for path in paths if path}


@contextlib.contextmanager
def newer_source(server: GuideServer) -> Iterator[None]:
    """The source a little changed, where a session and a delivery show it."""
    replies, delivery = server.read(REPLIES), server.read(DELIVERY)
    assert "214 " in replies
    assert 'b"did %d+%d+%d\\n"' in delivery
    had = runtimes(server)
    try:
        server.root.write(REPLIES, replies.replace("214 ", "214 newer "))
        server.root.write(
            DELIVERY, delivery.replace("did %d+%d+%d", "did newer %d+%d+%d")
        )
        yield
    finally:
        server.root.write(REPLIES, replies)
        server.root.write(DELIVERY, delivery)
        make_setup(server)
        for service in ALL:
            server.restart(service)
        server.wait_port()
        for name in runtimes(server) - had:
            server.run(f"rm -r {RUNTIMES}/{name}")


def test_setup_under_load_lets_all_go_on_and_starts_the_new(
    server: GuideServer,
) -> None:
    (old,) = runtimes(server)
    pids = {service: server.pid_of(service) for service in ALL}
    with newer_source(server), server.user("slow") as home:
        server.run(
            f"su slow -s /bin/sh -c 'mkfifo {home}/fifo; cat > {home}/.qmail'",
            stdin=f"|touch {home}/began; cat {home}/fifo\n",
        )
        assert send_one(server, f"slow@{HOST}").startswith("250 ok ")
        server.until(lambda: server.path(f"{home}/began").exists(), "a delivery")
        session = Talk(server)
        session.begin(f"dave@{HOST}")
        session.socket.sendall(
            b"Subject: old\r\nX-Number: %d\r\n\r\nfirst half\r\n" % OLD
        )

        with Load(server, ENDLESS, sessions=5, a_second=30) as load:
            make_setup(server)
            assert load.is_running
            (new,) = runtimes(server) - {old}
            assert {service: server.pid_of(service) for service in ALL} == pids

            # Whoever had begun goes on, as what it was.
            assert session.say("second half\r\n.").startswith("250 ok ")
            assert "newer" not in session.say("HELP")
            session.close()
            server.run(f"su slow -s /bin/sh -c 'echo > {home}/fifo'")
            server.until(lambda: "did_0+0+1/" in server.log(), "its end")

            # Whoever begins now is new, though its parent is not.
            assert "newer" in help_text(server)
            assert send_one(server).startswith("250 ok ")
            server.run(
                "su dave -c '/var/qmail/bin/qmail-inject dave'",
                stdin="Subject: x\n\ny\n",
            )
            server.until(
                lambda: ": success: did_newer_1+0+0/" in server.log(), "new ones"
            )

            for service in ALL:
                assert runs_from(server, service) == {old}
                server.restart(service)
                server.until(
                    lambda s=service: runs_from(server, s) == {new},  # type: ignore[misc]
                    f"a new {service}",
                )
            server.wait_port()
            assert load.is_running
        server.until(lambda: not queue_files(server), "an empty queue", 120)
        copies = arrived(server)
        assert set(copies) == load.accepted | {OLD}
        assert load.accepted == load.given
        again = {number for number, times in copies.items() if len(times) > 1}
        assert again <= load.unsure, (again, load.troubles)


def test_old_runtime_goes_when_nothing_runs_from_it(server: GuideServer) -> None:
    (current,) = runtimes(server)
    try:
        server.run(
            f"cp -r {RUNTIMES}/{current} {RUNTIMES}/0.0.1-used &&"
            f" mkdir {RUNTIMES}/0.0.1-unused {RUNTIMES}/0.0.1-young"
        )
        library = f"{RUNTIMES}/0.0.1-used/lib"
        code = f"import sys; sys.path[:0] = ['{library}']; import cdbx, os; "
        code += "open('/tmp/used', 'w').close(); sys.stdin.read()"
        server.run("rm -f /tmp/used /tmp/use; mkfifo /tmp/use")
        user = server.root.start(f'exec python3 -c "{code}" < /tmp/use')
        held = server.path("/tmp/use").open("w")
        server.until(lambda: server.path("/tmp/used").exists(), "a user of it")
        age = f"touch -d '3 days ago' {RUNTIMES}/0.0.1-used {RUNTIMES}/0.0.1-unused"
        server.run(age)
        make_setup(server)
        assert runtimes(server) == {current, "0.0.1-used", "0.0.1-young"}
        held.close()
        user.wait(20)
        server.run(age.replace("0.0.1-unused", "0.0.1-used"))
        make_setup(server)
        assert runtimes(server) == {current, "0.0.1-young"}
    finally:
        server.run(f"rm -rf {RUNTIMES}/0.0.1-*")
