"""The installed server used as its owner would: mail in, delivered, out, bounced.

What an operator tries first, from a local message to a double bounce, is in
test_deliver_and_receive.py.
"""

from __future__ import annotations

import re

from tests.guide.server import HOST, GuideServer

SEND = """
import smtplib, sys
sender, port, *recipients = sys.argv[1:]
with smtplib.SMTP("127.0.0.1", int(port), local_hostname="client.example") as smtp:
    refused = smtp.sendmail(
        sender if sender != "EMPTY" else "", recipients,
        "From: a@example.org\\r\\nSubject: hello\\r\\n\\r\\nbody line\\r\\n.dot\\r\\n")
    print("refused", refused)
"""

SINK = """
import socket, sys
port, answer = int(sys.argv[1]), sys.argv[2]
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.2", port)); listener.listen()
print("listening", flush=True)
with open(f"/tmp/sink-{port}", "ab", buffering=0) as log:
    while True:
        peer, _ = listener.accept()
        stream = peer.makefile("rwb", buffering=0)
        stream.write(b"220 sink\\r\\n")
        data = False
        while line := stream.readline():
            log.write(line)
            if data:
                if line == b".\\r\\n":
                    data = False
                    stream.write(b"250 taken\\r\\n")
                continue
            verb = line[:4].upper()
            if verb == b"DATA":
                stream.write(b"354 go\\r\\n"); data = True
            elif verb == b"RCPT":
                stream.write(answer.encode() + b"\\r\\n")
            elif verb == b"QUIT":
                stream.write(b"221 bye\\r\\n"); break
            else:
                stream.write(b"250 ok\\r\\n")
        stream.close(); peer.close()
"""


def send(server: GuideServer, sender: str, *recipients: str) -> str:
    """Send one message by SMTP to port 25."""
    return server.python(SEND, sender, "25", *recipients)


def wait_for_mail(server: GuideServer, maildir: str = "/home/dave/Maildir") -> str:
    """The first new message of a Maildir."""
    server.until(lambda: server.new_messages(maildir), f"mail in {maildir}")
    (name,) = server.new_messages(maildir)
    return server.read(f"{maildir}/new/{name}")


def test_message_by_smtp_arrives_with_the_originals_header_lines(
    server: GuideServer,
) -> None:
    send(server, "ann@example.org", f"dave@{HOST}")
    message = wait_for_mail(server)
    lines = message.splitlines()
    assert lines[0] == "Return-Path: <ann@example.org>"
    assert lines[1] == f"Delivered-To: dave@{HOST}"
    uid = server.run("id -u qmaild").stdout.strip()
    date = r"\d+ [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d -0000"
    assert uid
    assert re.fullmatch(
        rf"Received: \(qmail \d+ invoked from network\); {date}", lines[2]
    )
    assert lines[3] == "Received: from unknown (HELO client.example) (127.0.0.1)"
    assert re.fullmatch(rf"  by {HOST} with SMTP; {date}", lines[4])
    assert message.endswith("\n\nbody line\n.dot\n")
    name = server.new_messages()[0]
    stat = server.run(f"stat -c '%U %a' /home/dave/Maildir/new/{name}").stdout
    assert stat == "dave 600\n"


def test_qp_of_the_reply_the_log_and_the_received_line_agree(
    server: GuideServer,
) -> None:
    code = SEND.replace("smtp.sendmail(", "smtp.set_debuglevel(1) or smtp.sendmail(")
    done = server.run("true")
    assert done.returncode == 0
    server.root.write("/tmp/piece.py", code)
    done = server.run(f"python3 /tmp/piece.py q@example.org 25 dave@{HOST}")
    found = re.search(r"250 ok \d+ qp (\d+)", done.stderr)
    assert found is not None
    message = wait_for_mail(server)
    assert f"Received: (qmail {found[1]} invoked from network)" in message
    server.logged(rf"^info msg \d+: bytes \d+ from <q@example.org> qp {found[1]} uid")


def test_forward_program_and_mbox_of_a_user_all_run(server: GuideServer) -> None:
    server.add_user("eve")
    server.run(
        "su eve -c 'cat > ~/.qmail'",
        stdin="./Maildir/\n|cat >~/seen; env -0 >~/env\n./box\n&dave\n",
    )
    send(server, "ann@example.org", f"eve@{HOST}")
    assert f"Delivered-To: eve@{HOST}" in wait_for_mail(server)
    server.until(lambda: server.new_messages("/home/eve/Maildir"), "eve's Maildir")
    assert server.read("/home/eve/seen").endswith("body line\n.dot\n")
    box = server.read("/home/eve/box")
    assert box.startswith("From ann@example.org ")
    env = dict(
        pair.split("=", 1) for pair in server.read("/home/eve/env").split("\0")[:-1]
    )
    assert env["LOCAL"] == "eve"
    assert env["HOST"] == HOST
    assert env["SENDER"] == "ann@example.org"
    assert "LC_CTYPE" not in env
    server.logged(r"delivery \d+: success: did_2\+1\+1/qp_\d+/")


def test_guides_default_delivery_without_slash_is_an_mbox(server: GuideServer) -> None:
    server.add_user("mona", maildir=False)
    server.default_delivery("./Maildir")
    send(server, "ann@example.org", f"mona@{HOST}")
    server.until(
        lambda: server.run("ls -d /home/mona/Maildir", check=False).stdout,
        "an mbox named Maildir",
    )
    server.until(server.queue_is_empty, "delivery")
    assert server.read("/home/mona/Maildir").startswith("From ann@example.org ")


def test_mbox_line_defers_where_maildir_is_a_directory(server: GuideServer) -> None:
    server.default_delivery("./Maildir")
    send(server, "ann@example.org", f"dave@{HOST}")
    server.until(lambda: "(#4.2.1)" in server.log(), "a deferral")
    server.default_delivery("./Maildir/")
    # The time of the next try survives a restart, so ask for it now.
    server.run("qmailctl doqueue")
    assert "body line" in wait_for_mail(server)


def test_user_without_home_is_no_user(server: GuideServer) -> None:
    server.run("useradd -M homeless 2>/dev/null || true")
    server.run(
        "su dave -c '/var/qmail/bin/qmail-inject homeless'", stdin="Subject: x\n\ny\n"
    )
    assert "(#5.1.1)" in wait_for_mail(server)


def test_remote_mail_goes_through_smtproutes_to_a_sink(server: GuideServer) -> None:
    server.root.write("/tmp/sink.py", SINK)
    sink = server.root.start("exec python3 /tmp/sink.py 2601 '250 ok' >/tmp/sink-out")
    try:
        server.run("echo remote.example:127.0.0.2:2601 > /var/qmail/control/smtproutes")
        server.until(
            lambda: server.run("cat /tmp/sink-out", check=False).stdout, "the sink"
        )
        send(server, "ann@example.org", "joe@remote.example")
        server.logged("127.0.0.2_accepted_message./Remote_host_said:_250_taken/")
        seen = server.read("/tmp/sink-2601")
        assert f"EHLO {HOST}" in seen
        assert "MAIL FROM:<ann@example.org>" in seen
        assert "RCPT TO:<joe@remote.example>" in seen
        assert "\n..dot\n" in seen.replace("\r", "")
    finally:
        server.run(
            "pkill -f [/]tmp/sink.py; rm /var/qmail/control/smtproutes", check=False
        )
        sink.wait()


def test_remote_refusal_bounces_with_the_remote_text(server: GuideServer) -> None:
    server.root.write("/tmp/sink.py", SINK)
    sink = server.root.start("exec python3 /tmp/sink.py 2602 '550 not here'")
    try:
        server.run("echo no.example:127.0.0.2:2602 > /var/qmail/control/smtproutes")
        server.until(
            lambda: server.run("ls /tmp/sink-2602", check=False).returncode == 0,
            "the sink",
        )
        server.run(
            "su dave -c '/var/qmail/bin/qmail-inject joe@no.example'",
            stdin="Subject: out\n\nbody\n",
        )
        message = wait_for_mail(server)
        assert "<joe@no.example>:" in message
        assert "550 not here" in message
    finally:
        server.run(
            "pkill -f [/]tmp/sink.py; rm /var/qmail/control/smtproutes", check=False
        )
        sink.wait()


def test_rules_allow_deny_and_relay(server: GuideServer) -> None:
    rules = server.read("/etc/tcp.smtp")
    try:
        server.root.write("/etc/tcp.smtp", "127.:deny\n")
        server.run("qmailctl cdb")
        out = server.python(SEND, "a@example.org", "25", f"dave@{HOST}", check=False)
        assert "refused" not in out
        server.root.write("/etc/tcp.smtp", "127.:allow\n")
        server.run("qmailctl cdb")
        done = server.python(
            SEND, "a@example.org", "25", "joe@elsewhere.example", check=False
        )
        assert "refused {}" not in done
        assert "refused {}" in send(server, "a@example.org", f"dave@{HOST}")
        wait_for_mail(server)
    finally:
        server.root.write("/etc/tcp.smtp", rules)
        server.run("qmailctl cdb")
    server.logged(rf"^tcpserver: deny \d+ {HOST}:127\.0\.0\.1:25 ", "smtpd")
    server.logged(r"^tcpserver: end \d+ status 25600$", "smtpd")


def test_mail_waits_while_qmail_send_is_stopped(server: GuideServer) -> None:
    server.run("svc -d /service/qmail-send")
    server.wait_down("qmail-send")
    send(server, "ann@example.org", f"dave@{HOST}")
    text = server.run("/var/qmail/bin/qmail-qstat").stdout
    assert text == (
        "messages in queue: 1\nmessages in queue but not yet preprocessed: 1\n"
    )
    assert server.new_messages() == []
    server.run("svc -u /service/qmail-send")
    assert "body line" in wait_for_mail(server)
    server.until(server.queue_is_empty, "an empty queue")


def test_killed_services_come_back(server: GuideServer) -> None:
    for service in ("qmail-send", "qmail-smtpd", "qmail-send/log", "qmail-queued"):
        with server.restarted(service):
            server.run(f"svc -k /service/{service}")
    server.wait_port()
    send(server, "ann@example.org", f"dave@{HOST}")
    wait_for_mail(server)
