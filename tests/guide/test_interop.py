"""The C programs beside ours on the installed server, on the same files."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

import pytest

from tests.conftest import ORIGINALS
from tests.guide.server import HOST, GuideServer
from tests.guide.smtp_load import Talk, send_one

THEIRS = os.path.realpath(ORIGINALS) + "/usr/bin"
OURS = "/usr/local/bin"
RULES = """\
# a comment
192.0.2.1:allow,RELAYCLIENT="",X=/y/
192.0.2.2:deny
192.0.2.30-39:allow,DATABYTES="5"
joe@192.0.2.4:allow,A="b"
=mail.example.org:allow,N="1"
=.example.org:deny
:allow
"""
CLIENTS = (
    "TCPREMOTEIP=192.0.2.1",
    "TCPREMOTEIP=192.0.2.2",
    "TCPREMOTEIP=192.0.2.35",
    "TCPREMOTEIP=192.0.2.4 TCPREMOTEINFO=joe",
    "TCPREMOTEIP=192.0.2.9 TCPREMOTEHOST=mail.example.org",
    "TCPREMOTEIP=192.0.2.9 TCPREMOTEHOST=other.example.org",
    "TCPREMOTEIP=203.0.113.1",
)


@pytest.fixture(autouse=True)
def _theirs(originals: str) -> None:
    """All of these need Debian's programs."""
    assert os.path.realpath(originals) == THEIRS


def test_their_svstat_svok_and_svc_work_on_our_supervise(server: GuideServer) -> None:
    service = "/service/qmail-send"
    server.run(f"{THEIRS}/svok {service}")
    pid = server.pid_of("qmail-send")
    stat = server.run(f"{THEIRS}/svstat {service} {service}/log").stdout
    assert re.match(rf"{service}: up \(pid {pid}\) \d+ seconds\n", stat)
    assert stat.count("\n") == 2
    server.run(f"{THEIRS}/svc -p {service}")
    ours = f"{OURS}/svstat {service}"
    server.until(lambda: ", paused" in server.run(ours).stdout, "paused")
    assert ", paused\n" in server.run(f"{THEIRS}/svstat {service}").stdout
    server.run(f"{THEIRS}/svc -cd {service}")
    server.until(lambda: not server.pid_of("qmail-send"), "down")
    stat = server.run(f"{THEIRS}/svstat {service}").stdout
    assert re.fullmatch(rf"{service}: down \d+ seconds, normally up\n", stat)
    server.run(f"{THEIRS}/svc -u {service}")
    server.until(lambda: server.pid_of("qmail-send"), "up again")
    done = server.run(f"{THEIRS}/svok /service", check=False)
    assert (
        done.returncode == server.run(f"{OURS}/svok /service", check=False).returncode
    )


def test_our_svstat_svok_and_svc_work_on_their_supervise(server: GuideServer) -> None:
    server.run("mkdir -p /tmp/theirs && mkdir /tmp/theirs/s")
    server.root.write("/tmp/theirs/s/run", "#!/bin/sh\nexec sleep 1000\n")
    server.run("chmod 755 /tmp/theirs/s/run")
    assert server.run(f"{OURS}/svok /tmp/theirs/s", check=False).returncode == 100
    running = server.root.start(f"exec {THEIRS}/supervise /tmp/theirs/s")
    stat = f"{OURS}/svstat /tmp/theirs/s"
    try:
        server.until(lambda: "up (pid" in server.run(stat).stdout, "up")
        server.run(f"{OURS}/svok /tmp/theirs/s")
        theirs = f"{THEIRS}/{stat.removeprefix(OURS)[1:]}"
        # The seconds may change between the two.
        server.until(
            lambda: server.run(stat).stdout == server.run(theirs).stdout, "the same"
        )
        server.run(f"{OURS}/svc -p /tmp/theirs/s")
        server.until(lambda: ", paused" in server.run(stat).stdout, "paused")
        server.run(f"{OURS}/svc -cd /tmp/theirs/s")
        server.until(lambda: ": down" in server.run(stat).stdout, "down")
        server.run(f"{OURS}/svc -u /tmp/theirs/s")
        server.until(lambda: "up (pid" in server.run(stat).stdout, "up again")
    finally:
        server.run(f"{OURS}/svc -dx /tmp/theirs/s")
        assert running.wait(60) == 0
        server.run("rm -r /tmp/theirs")


def test_rules_of_one_are_read_by_the_other_with_the_same_answers(
    server: GuideServer,
) -> None:
    sides = {"ours": OURS, "theirs": THEIRS}
    for side, place in sides.items():
        cdb = f"/tmp/rules-{side}.cdb"
        server.run(f"{place}/tcprules {cdb} {cdb}.tmp", stdin=RULES)
    server.run("cmp /tmp/rules-ours.cdb /tmp/rules-theirs.cdb")
    for client in CLIENTS:
        answers = {
            server.run(
                f"env {client} {reader}/tcprulescheck /tmp/rules-{maker}.cdb"
            ).stdout
            for reader in sides.values()
            for maker in sides
        }
        assert len(answers) == 1, answers
        assert answers != {""}
    server.run("rm /tmp/rules-*.cdb")


def test_their_tcprulescheck_reads_the_guides_rules(server: GuideServer) -> None:
    check = "TCPREMOTEIP=127.0.0.1 {}/tcprulescheck /etc/tcp.smtp.cdb"
    theirs = server.run(check.format(THEIRS)).stdout
    assert "set environment variable RELAYCLIENT=\n" in theirs
    assert server.run(check.format(OURS)).stdout == theirs


@contextlib.contextmanager
def listening(server: GuideServer, command: str, port: int) -> Iterator[None]:
    """A server of the test's own inside."""
    running = server.root.start(f"exec {command}")
    try:
        server.wait_port(port)
        yield
    finally:
        server.run(
            f"kill $(ss -Hltnp sport = {port} | grep -o 'pid=[0-9]*' | cut -c5-)"
        )
        running.wait(60)


def test_their_tcpserver_runs_our_qmail_smtpd(server: GuideServer) -> None:
    uid = "-u $(id -u qmaild) -g $(id -g qmaild)"
    options = f"-v -H -R -l {HOST} -x /etc/tcp.smtp.cdb -c 5 {uid}"
    command = f"{THEIRS}/tcpserver {options} 127.0.0.1 2526 /var/qmail/bin/qmail-smtpd"
    with listening(server, command, 2526), Talk(server, 2526) as talk:
        talk.begin(f"dave@{HOST}")
        assert talk.say("Subject: theirs\r\n\r\nx\r\n.").startswith("250 ok ")
        assert talk.say("QUIT").startswith("221 ")
    server.until(server.new_messages, "a message")
    (name,) = server.new_messages()
    text = server.read(f"/home/dave/Maildir/new/{name}")
    assert " invoked from network)" in text
    assert "Received: from unknown (HELO client.example) (127.0.0.1)\n" in text


def test_our_tcpserver_runs_a_foreign_program(server: GuideServer) -> None:
    command = f"{OURS}/tcpserver -H -R -l0 -u 65534 -g 65534 127.0.0.1 2527 /bin/sh -c"
    script = "'echo $PROTO $TCPREMOTEIP $TCPLOCALPORT; id -u; exec cat'"
    with listening(server, f"{command} {script}", 2527), Talk(server, 2527) as talk:
        assert talk.reply() == "TCP 127.0.0.1 2527"
        assert talk.reply() == "65534"
        assert talk.say("hello") == "hello"


@contextlib.contextmanager
def logger(server: GuideServer, multilog: str) -> Iterator[None]:
    """qmail-smtpd's log written by that multilog, in the guide's place."""
    run = "/var/qmail/supervise/qmail-smtpd/log/run"
    script = server.read(run).replace(
        "/usr/local/bin/multilog t", f"{multilog} t s4096"
    )
    with server.changed(run, script):
        server.restart("qmail-smtpd/log")
        server.until(
            lambda: server.run(f"pgrep -f '^{multilog}'", check=False).stdout, multilog
        )
        yield
    server.restart("qmail-smtpd/log")


def test_their_multilog_continues_our_log_and_ours_theirs(server: GuideServer) -> None:
    directory = "/var/log/qmail/smtpd"
    total = 0

    def logged() -> int:
        return len(re.findall(r"tcpserver: end \d+ status 0\n", server.log("smtpd")))

    def sessions(count: int) -> None:
        nonlocal total
        for _ in range(count):
            assert send_one(server).startswith("250 ok ")
        total += count
        server.until(lambda: logged() == total, "their lines in the log")

    sessions(2)
    with logger(server, f"{THEIRS}/multilog"):
        for _ in range(4):
            sessions(10)
        assert server.run(f"ls {directory}/@*.s").stdout
    sessions(2)
    assert not server.run(f"ls {directory}/@*.u", check=False).stdout
    text = server.run(f"cat {directory}/@* {directory}/current").stdout
    labels = [line[:25] for line in text.splitlines()]
    assert labels == sorted(labels)
    assert all(re.fullmatch("@[0-9a-f]{24}", label) for label in labels)
