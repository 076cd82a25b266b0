"""Machines without a queue hand their mail over by QMQP; QMTP beside SMTP."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator

from tests.guide.server import HOST, GuideServer
from tests.guide.smtp_load import Talk
from tests.unit.qmtp.dialogue import answers, package

FRONT = "/tmp/front"
MESSAGES = 20
FAILING = """
import select, socket, struct
refusing = socket.create_server(("127.0.0.4", 628), backlog=50)
dying = socket.create_server(("127.0.0.3", 628), backlog=50)
left = 7
while True:
    for listener in select.select([refusing] + [dying] * bool(left), [], [])[0]:
        peer, _ = listener.accept()
        if listener is dying:
            left -= 1
            peer.recv(10)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if not left:
                dying.close()
        else:
            data = b""
            while not data.endswith(b",,"):
                data += peer.recv(65536)
            peer.sendall(b"8:Znot now,")
        peer.close()
"""
SENDING = f"""
for number in $(seq {MESSAGES})
do
  (
    until printf 'To: dave@{HOST}\\nSubject: number %s\\n\\nx\\n' $number |
      {FRONT}/bin/qmail-inject 2>>/tmp/front-errors
    do :
    done
  ) &
done
wait
"""


def wait_listening(server: GuideServer, port: int, count: int = 1) -> None:
    """Wait for so many listeners; these protocols have no greeting to wait for."""
    command = f"ss -Hltn sport = {port}"
    server.until(
        lambda: len(server.run(command).stdout.splitlines()) >= count, f"port {port}"
    )


@contextlib.contextmanager
def service(server: GuideServer, name: str, options: str = "") -> Iterator[None]:
    """A service from its template, added as an operator would."""
    server.run(f"pyqmail service add {name} --link {options}")
    try:
        server.wait_up(name, f"{name}/log")
        yield
    finally:
        server.run(f"pyqmail service remove {name}")
        server.run(f"rm -r /var/qmail/supervise/{name}")


@contextlib.contextmanager
def queue_host(server: GuideServer) -> Iterator[None]:
    """The installed server takes mail by QMQP on 127.0.0.1 from this machine."""
    server.run("printf '127.:allow\\n:deny\\n' > /etc/tcp.qmqp")
    server.run("tcprules /etc/tcp.qmqp.cdb /etc/tcp.qmqp.tmp < /etc/tcp.qmqp")
    with service(server, "qmqpd", "--address 127.0.0.1"):
        wait_listening(server, 628)
        yield
    server.run("rm /etc/tcp.qmqp*")


@contextlib.contextmanager
def front_end(server: GuideServer, *hosts: str) -> Iterator[None]:
    """A second home that has nothing but programs, and a link for qmail-queue."""
    server.run(f"mkdir -p {FRONT}/bin {FRONT}/control")
    for program in ("qmail-inject", "qmail-smtpd", "qmail-qmqpc"):
        server.run(
            f"sed \"s,'/var/qmail','{FRONT}',\" /var/qmail/bin/{program}"
            f" > {FRONT}/bin/{program}; chmod 755 {FRONT}/bin/{program}"
        )
    server.run(f"ln -s qmail-qmqpc {FRONT}/bin/qmail-queue")
    server.run(f"echo front.example > {FRONT}/control/me")
    server.run(f"echo {HOST} > {FRONT}/control/rcpthosts")
    server.root.write(f"{FRONT}/control/qmqpservers", "\n".join(hosts) + "\n")
    try:
        yield
    finally:
        server.run(f"rm -r {FRONT}")


def texts(server: GuideServer, count: int) -> list[str]:
    """dave's new messages, once there are so many."""
    server.until(lambda: len(server.new_messages()) >= count, f"{count} messages")
    server.until(server.queue_is_empty, "an empty queue")
    names = server.new_messages()
    return [server.read(f"/home/dave/Maildir/new/{name}") for name in names]


def test_front_end_behind_failing_queue_hosts_loses_and_doubles_nothing(
    server: GuideServer,
) -> None:
    server.root.write("/tmp/failing.py", FAILING)
    server.run("touch /tmp/front-errors; chmod 666 /tmp/front-errors")
    hosts = ("127.0.0.2", "127.0.0.4", "127.0.0.3", "127.0.0.1")
    with queue_host(server), front_end(server, *hosts):
        failing = server.root.start("exec /usr/bin/python3 /tmp/failing.py")
        try:
            wait_listening(server, 628, 3)
            server.root.write("/tmp/sending.sh", SENDING)
            server.run("su nobody -s /bin/sh -c 'sh /tmp/sending.sh'")
        finally:
            server.run("pkill -f '^/usr/bin/python3 /tmp/failing.py'")
            failing.wait(20)
    found = texts(server, MESSAGES)
    numbers = Counter(
        re.findall(r"^Subject: number (\d+)$", "".join(found), re.MULTILINE)
    )
    assert numbers == {str(number): 1 for number in range(1, MESSAGES + 1)}
    assert all(" with QMQP; " in text for text in found)
    errors = server.read("/tmp/front-errors").splitlines()
    # Connections that wait when the dying host closes its listener are lost, too.
    assert len(errors) >= 7
    assert all("(#4.4.2)" in line for line in errors)


def test_front_end_takes_smtp_and_says_when_no_queue_host_is_there(
    server: GuideServer,
) -> None:
    tcpserver = "tcpserver -RHl0 -u 65534 -g 65534 127.0.0.1 2528"
    with front_end(server, "127.0.0.1"):
        running = server.root.start(
            f"exec softlimit -m5000000 {tcpserver} {FRONT}/bin/qmail-smtpd"
        )
        try:
            server.wait_port(2528)
            with Talk(server, 2528) as talk:
                talk.begin(f"dave@{HOST}")
                assert talk.say("x\r\n.").startswith("451 ")
            with queue_host(server), Talk(server, 2528) as talk:
                talk.begin(f"dave@{HOST}")
                assert talk.say("Subject: one\r\n\r\nx\r\n.").startswith("250 ok ")
                for line in ("MAIL FROM:<>", f"RCPT TO:<dave@{HOST}>"):
                    assert talk.say(line) == "250 ok"
                assert talk.say("DATA").startswith("354 ")
                assert talk.say("x" * 500_000 + "\r\n.").startswith("250 ok ")
                [first, second] = texts(server, 2)
        finally:
            server.run(
                "kill $(ss -Hltnp sport = 2528 | grep -o 'pid=[0-9]*' | cut -c5-)"
            )
            running.wait(20)
    for text in (first, second):
        assert " with SMTP; " in text
        assert " with QMQP; " in text


ASK_BY_QMTP = """
import socket, sys
connection = socket.socket()
connection.bind((sys.argv[1], 0))
connection.connect(("127.0.0.1", 2209))
connection.sendall({mail!r})
connection.shutdown(socket.SHUT_WR)
while data := connection.recv(4096):
    sys.stdout.buffer.write(data)
"""


def test_qmtpd_service_takes_mail_and_keeps_to_the_rules(server: GuideServer) -> None:
    rules = '127.0.0.1:allow,RELAYCLIENT=""\n127.:allow\n'
    recipients = (b"dave@far.example", f"dave@{HOST}".encode())
    mail = package(b"\rSubject: q\r\n\r\nx\r\n", b"a@b.example", recipients)
    ask = ASK_BY_QMTP.format(mail=mail)
    with (
        server.changed("/etc/tcp.smtp", rules),
        server.changed("/var/qmail/control/locals", f"{HOST}\nfar.example\n"),
        service(server, "qmtpd", "--port 2209"),
    ):
        server.run("qmailctl cdb")
        server.restart("qmail-send")
        wait_listening(server, 2209)
        said = [
            [text[:1] for text in answers(server.python(ask, host).encode())]
            for host in ("127.0.0.2", "127.0.0.1", "127.0.0.2")
        ]
        found = texts(server, 4)
    server.restart("qmail-send")
    server.run("qmailctl cdb")
    assert said == [[b"D", b"K"], [b"K", b"K"], [b"D", b"K"]]
    assert len(found) == 4
    for text in found:
        assert " with QMTP; " in text
        assert "\nSubject: q\n\nx\n" in text
