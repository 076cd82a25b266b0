"""qmailctl of the guide, byte for byte: each of its words does what it did."""

from __future__ import annotations

import re

import pytest

from tests.guide.server import HOST, SERVICES, GuideServer
from tests.guide.test_mail import send, wait_for_mail

UP = r"/service/{}: up \(pid \d+\) \d+ seconds"
QUEUE = ["messages in queue: {}", "messages in queue but not yet preprocessed: {}"]


def state(server: GuideServer, service: str) -> str:
    """What svstat says of a service, after its name."""
    text = server.run(f"svstat /service/{service}").stdout
    return text.partition(": ")[2].strip()


def test_stat_shows_the_guides_six_lines(server: GuideServer) -> None:
    lines = server.run("qmailctl stat").stdout.splitlines()
    assert len(lines) == 6
    for line, service in zip(lines, SERVICES, strict=False):
        assert re.fullmatch(UP.format(service), line)
    assert lines[4:] == [line.format(0) for line in QUEUE]


def test_stop_takes_all_four_down_and_start_brings_them_back(
    server: GuideServer,
) -> None:
    assert server.run("qmailctl stop").stdout == (
        "Stopping qmail...\n qmail-smtpd\n qmail-send\n"
    )
    server.wait_down()
    for service in SERVICES:
        assert re.fullmatch(r"down \d+ seconds, normally up", state(server, service))
    refused = server.run(
        'python3 -c "import socket; s = socket.socket();'
        " s.connect(('127.0.0.1', 25))\"",
        check=False,
    )
    assert "refused" in refused.stderr
    assert server.run("qmailctl start").stdout == "Starting qmail\n"
    server.wait_up()
    server.wait_port()


def test_queue_server_takes_mail_while_qmail_is_stopped(server: GuideServer) -> None:
    server.run("qmailctl stop")
    server.wait_down()
    server.run(
        "su dave -c '/var/qmail/bin/qmail-inject dave'", stdin="Subject: w\n\nx\n"
    )
    out = server.run("qmailctl queue").stdout.splitlines()
    # qmail-qread shows only what qmail-send has preprocessed.
    assert out == [line.format(1) for line in QUEUE]
    server.run("qmailctl start")
    assert "Subject: w" in wait_for_mail(server)


def test_restart_keeps_the_queue_and_changes_the_pids(server: GuideServer) -> None:
    with server.restarted(*SERVICES):
        out = server.run("qmailctl restart").stdout
        assert out.startswith("Restarting qmail:\n* Stopping qmail-smtpd.\n")
    server.wait_port()
    send(server, "ann@example.org", f"dave@{HOST}")
    wait_for_mail(server)
    server.logged("^status: exiting$")


def test_pause_holds_mail_and_cont_lets_it_go(server: GuideServer) -> None:
    assert (
        server.run("qmailctl pause").stdout
        == "Pausing qmail-send\nPausing qmail-smtpd\n"
    )
    server.until(lambda: state(server, "qmail-send").endswith(", paused"), "paused")
    server.until(lambda: state(server, "qmail-smtpd").endswith(", paused"), "paused")
    # supervise says so, then it sends the signal.
    status = f"/proc/{server.pid_of('qmail-send')}/status"
    server.until(lambda: "\nState:\tT" in server.read(status), "stopped")
    server.run(
        "su dave -c '/var/qmail/bin/qmail-inject dave'", stdin="Subject: p\n\nx\n"
    )
    assert server.new_messages() == []
    out = server.run("qmailctl cont").stdout
    assert out == "Continuing qmail-send\nContinuing qmail-smtpd\n"
    assert "Subject: p" in wait_for_mail(server)
    server.until(lambda: "paused" not in state(server, "qmail-smtpd"), "continued")


@pytest.mark.parametrize("word", ["doqueue", "alrm", "flush"])
def test_doqueue_tries_deferred_mail_at_once(server: GuideServer, word: str) -> None:
    server.run("su dave -c 'mv ~/Maildir ~/Away'")
    try:
        send(server, "ann@example.org", f"dave@{HOST}")
        server.logged("deferral: ")
    finally:
        server.run("su dave -c 'mv ~/Away ~/Maildir'")
    out = server.run(f"qmailctl {word}").stdout
    assert out == "Flushing timeout table and sending ALRM signal to qmail-send.\n"
    assert "body line" in wait_for_mail(server)


def test_queue_shows_the_message_that_waits(server: GuideServer) -> None:
    server.run("su dave -c 'mv ~/Maildir ~/Away'")
    try:
        send(server, "ann@example.org", f"dave@{HOST}")
        server.logged("deferral: ")
        lines = server.run("qmailctl queue").stdout.splitlines()
    finally:
        server.run("su dave -c 'mv ~/Away ~/Maildir'; qmailctl doqueue")
    assert lines[:2] == [QUEUE[0].format(1), QUEUE[1].format(0)]
    assert re.fullmatch(
        r"\d+ \w{3} \d{4} \d\d:\d\d:\d\d GMT  #\d+  \d+  <ann@example.org> ", lines[2]
    )
    assert lines[3] == f"\tlocal\tdave@{HOST}"
    wait_for_mail(server)


@pytest.mark.parametrize("word", ["reload", "hup"])
def test_reload_reads_locals_and_virtualdomains(server: GuideServer, word: str) -> None:
    control = "/var/qmail/control"
    server.run(f"echo virt.example:dave > {control}/virtualdomains")
    server.run(f"echo virt.example >> {control}/rcpthosts")
    server.run("su dave -c 'echo ./Maildir/ > ~/.qmail-default'")
    try:
        out = server.run(f"qmailctl {word}").stdout
        assert out == "Sending HUP signal to qmail-send.\n"
        server.wait_obeyed("qmail-send")
        send(server, "ann@example.org", "any@virt.example")
        message = wait_for_mail(server)
        assert "\nDelivered-To: dave-any@virt.example\n" in message
    finally:
        server.run(f"rm {control}/virtualdomains ~dave/.qmail-default")
        server.run(f"sed -i /virt.example/d {control}/rcpthosts && qmailctl {word}")
        server.wait_obeyed("qmail-send")


def test_cdb_compiles_the_rules(server: GuideServer) -> None:
    server.run("rm /etc/tcp.smtp.cdb")
    assert server.run("qmailctl cdb").stdout == "Reloaded /etc/tcp.smtp.\n"
    assert server.run("stat -c %a /etc/tcp.smtp.cdb").stdout == "644\n"
    out = server.run("TCPREMOTEIP=127.0.0.1 tcprulescheck /etc/tcp.smtp.cdb").stdout
    assert out == (
        "rule 127.:\nset environment variable RELAYCLIENT=\nallow connection\n"
    )


def test_help_lists_every_word(server: GuideServer) -> None:
    lines = server.run("qmailctl help").stdout.splitlines()
    assert [line.partition(" ")[0] for line in lines] == (
        [
            "stop",
            "start",
            "pause",
            "cont",
            "stat",
            "cdb",
            "restart",
            "doqueue",
            "reload",
            "queue",
            "alrm",
            "flush",
            "hup",
        ]
    )


def test_inst_check_congratulates(server: GuideServer) -> None:
    done = server.run("cd /usr/local/src/netqmail-1.06 && sh inst_check", check=False)
    assert done.stdout == "Congratulations, your Qmail installation looks good!\n"
    assert done.returncode == 0


def test_inst_check_names_a_wrong_owner_as_the_guide_shows(server: GuideServer) -> None:
    server.run("chown root /var/log/qmail")
    try:
        done = server.run(
            "cd /usr/local/src/netqmail-1.06 && sh inst_check", check=False
        )
    finally:
        server.run("chown qmaill /var/log/qmail")
    assert done.stdout == (
        "! /var/log/qmail has wrong owner, should be qmaill\n"
        "...try: chown qmaill /var/log/qmail\n"
    )
    assert done.returncode == 1


def test_showctl_knows_every_file_but_the_guides_two(server: GuideServer) -> None:
    text = server.run("/var/qmail/bin/qmail-showctl").stdout
    unknown = re.findall(r"^(\S+): I have no idea", text, re.MULTILINE)
    assert unknown == ["concurrencyincoming", "defaultdelivery"]
    assert f"\nme: My name is {HOST}.\n" in text


def test_inst_check_names_a_service_that_does_not_stay_up(server: GuideServer) -> None:
    server.run("svc -d /service/qmail-smtpd")
    server.wait_down("qmail-smtpd")
    server.root.write(
        "/tmp/holder.py",
        "import signal, socket\ns = socket.create_server(('0.0.0.0', 25))\n"
        "open('/tmp/held', 'w').close(); signal.pause()\n",
    )
    holder = server.root.start("exec python3 /tmp/holder.py")
    try:
        server.until(
            lambda: server.run("ls /tmp/held", check=False).stdout, "the holder"
        )
        server.run("svc -u -w u /service/qmail-smtpd")
        done = server.run(
            "cd /usr/local/src/netqmail-1.06 && sh inst_check", check=False
        )
    finally:
        server.run("pkill -f [/]tmp/holder.py", check=False)
        holder.wait(60)
    assert "! /service/qmail-smtpd does not stay up\n" in done.stdout
    assert "...try: tail /var/log/qmail/smtpd/current\n" in done.stdout
    assert done.returncode == 1


def test_config_fast_with_another_name_changes_nothing(server: GuideServer) -> None:
    control = "/var/qmail/control"
    names = (
        f"cat {control}/me {control}/defaultdomain {control}/locals {control}/rcpthosts"
    )
    before = server.run(names).stdout
    done = server.run(
        "cd /usr/local/src/netqmail-1.06 && ./config-fast other.example.net",
        check=False,
    )
    assert done.returncode == 1
    assert f"Keeping {HOST} in control/me: you have it already.\n" in done.stdout
    assert done.stdout.endswith("Nothing is changed.\n")
    assert server.run(names).stdout == before
