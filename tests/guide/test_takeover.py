"""A queue as netqmail 1.06 leaves it, taken over: delivered, checked, copied, mended.

What is laid down are facts of the format, as a netqmail 1.06 that was stopped in the
middle of its work had them on disk (but for numbers, pids and addresses):

    mess/N         of the uid of qmailq, mode 0644, in the group of whoever queued it
    todo/N intd/N  one file with two names, as mess/N; intd goes first
    info/N local/N of qmails, mode 0600; a record of a done recipient begins with D
    remote/N
    bounce/N       of qmails, 0600: <recipient>: LF text LF LF for each that failed
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.conftest import CHECKOUT
from tests.guide.server import HOST, SOURCE, GuideServer
from tests.guide.test_load import queue_files

SERVICES = ("qmail-send", "qmail-queued")
QUEUE = "/var/qmail/queue"
SLOW, RAN, GO = "/home/dave/.qmail-slow", "/home/dave/ran", "/home/dave/go"
LAY_DOWN = f"""
import os, pwd, grp, time
os.chdir("{QUEUE}")
os.umask(0)
QMAILQ, QMAILS = (pwd.getpwnam(name).pw_uid for name in ("qmailq", "qmails"))
QMAIL = grp.getgrnam("qmail").gr_gid

def put(path, data, uid, gid, mode, when=None):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    os.write(fd, data)
    os.fchown(fd, uid, gid)
    n = os.fstat(fd).st_ino
    os.close(fd)
    if when:
        os.utime(path, (when, when))
    return n

def message(subject, done=(), half=(), todo=b"", when=None, **kinds):
    line = b"Received: (qmail 1489 invoked by uid 0); 22 Nov 2026 18:30:26 -0000\\n"
    text = line + b"Subject: %b\\n\\nbody\\n" % subject
    n = put("pid/1489.1795372226.1", text, QMAILQ, 0, 0o644)
    os.rename("pid/1489.1795372226.1", f"mess/{{n % 23}}/{{n}}")
    if todo:
        put(f"intd/{{n}}", b"u0\\0p1489\\0" + todo, QMAILQ, 0, 0o644)
        os.link(f"intd/{{n}}", f"todo/{{n}}")
    for kind, data in kinds.items():
        place = f"{{kind}}/{{n}}" if kind == "bounce" else f"{{kind}}/{{n % 23}}/{{n}}"
        put(place, data, QMAILS, QMAIL, 0o600, when)

D, H = b"dave@{HOST}\\0", b"@{HOST}\\0"
message(b"unprocessed", todo=b"F" + D + b"T" + D)
message(b"half-preprocessed", todo=b"F" + D + b"T" + D, info=b"F" + D, local=b"Tda")
message(b"preprocessed", info=b"F" + D, local=b"Dgone" + H + b"T" + D)
message(b"all-done", info=b"F" + D, local=b"Ddave" + H)
message(b"bounce-pending", info=b"F" + D, local=b"Dnobody" + H + b"T" + D,
    bounce=b"<nobody@{HOST}>:\\nSorry, no mailbox here by that name. (#5.1.1)\\n\\n")
message(b"bounce-only", info=b"F" + D,
    bounce=b"<other@{HOST}>:\\nSorry, no mailbox here by that name. (#5.1.1)\\n\\n")
message(b"no-sender", info=b"F\\0", local=b"T" + D, bounce=b"<x@y>:\\nno such\\n\\n")
message(b"deferred", info=b"F" + D, local=b"T" + D, when=int(time.time()) - 900)
"""
SUBJECTS = [
    *("bounce-pending", "deferred", "half-preprocessed", "no-sender"),
    *("preprocessed", "unprocessed"),
]


def pyqmail(server: GuideServer, words: str, status: int) -> str:
    done = server.run(f"/usr/local/bin/pyqmail queue {words}", check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def old_queue(server: GuideServer) -> Iterator[GuideServer]:
    """The server stopped, and its queue as the original would have left it."""
    for service in SERVICES:
        server.run(f"svc -d /service/{service}")
    server.wait_down(*SERVICES)
    server.python(LAY_DOWN)
    yield server
    for service in SERVICES:
        server.run(f"svc -u /service/{service}")
    server.wait_up()
    server.run(f"rm -rf /tmp/copied {QUEUE}/lost")


def deliver(server: GuideServer) -> None:
    """Start the server; each message is delivered once, and so is each notice."""
    for service in reversed(SERVICES):
        server.run(f"svc -u /service/{service}")
    server.wait_up()
    server.run("qmailctl doqueue")
    server.until(lambda: len(server.new_messages()) >= 9, "all that was in it")
    server.until(lambda: not queue_files(server), "an empty queue")
    texts = [
        server.read(f"/home/dave/Maildir/new/{name}") for name in server.new_messages()
    ]
    subjects = [
        next(line for line in text.splitlines() if line.startswith("Subject: "))
        for text in texts
    ]
    notices = [text for text in texts if "\nSubject: failure notice\n" in text]
    # Two for dave, one for postmaster.
    assert len(notices) == 3
    ordinary = sorted(s[9:] for s in subjects if s != "Subject: failure notice")
    assert ordinary == SUBJECTS
    for name in ("nobody", "other"):
        words = f"<{name}@{HOST}>:\nSorry, no mailbox here by that name. (#5.1.1)\n"
        assert sum(words in notice for notice in notices) == 1
    assert sum("<x@y>:\nno such\n" in notice for notice in notices) == 1
    assert "The queue is as it should be; messages: 0" in pyqmail(server, "check", 0)


def test_queue_of_the_original_is_delivered_once(old_queue: GuideServer) -> None:
    said = pyqmail(old_queue, "check", 0)
    assert said == "The queue is as it should be; messages: 8\n"
    deliver(old_queue)


def test_copied_queue_is_mended_and_delivered_once(old_queue: GuideServer) -> None:
    server = old_queue
    server.run(
        f"cp -r {QUEUE} /tmp/copied && rm -r {QUEUE} && cp -r /tmp/copied {QUEUE}"
        f" && echo lost > {QUEUE}/todo/4711 && truncate -s 0 {QUEUE}/lock/tcpto"
    )
    said = pyqmail(server, "check", 1)
    assert said.count("the queue was copied") == 8
    assert "todo/4711: there is no mess/19/4711 that it would belong to\n" in said
    assert "lock/tcpto has wrong size\n" in said
    assert "mess has wrong owner\n" in said
    said = pyqmail(server, "check --repair", 0)
    assert said.endswith("The queue is as it should be; messages: 8\n")
    assert "mended: todo/4711 is lost/todo-4711 now\n" in said
    assert server.read(f"{QUEUE}/lost/todo-4711") == "lost\n"
    assert "instcheck" not in server.run(f"cd {SOURCE} && make check").stdout
    deliver(server)


def test_repair_beside_a_running_server_is_refused(server: GuideServer) -> None:
    assert "qmail-send is running\n" in pyqmail(server, "check --repair", 111)
    server.run("svc -d /service/qmail-send")
    server.wait_down("qmail-send")
    said = pyqmail(server, "check --repair", 111)
    assert (
        "qmail-queued is running\n...try: svc -d -w D -T 300 /service/qmail-queued\n"
        in said
    )
    assert "The queue is as it should be" in pyqmail(server, "check", 0)


def commands_of_the_page() -> str:
    """What pyqmail(8) has its reader type to move the queue."""
    page = (CHECKOUT / "man/man8/pyqmail.8").read_text()
    examples = page.partition(".Sh EXAMPLES\n")[2]
    found = re.search(r"\.Bd -literal[^\n]*\n(.*?)\.Ed\n", examples, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def slow(server: GuideServer) -> Iterator[GuideServer]:
    """A server in the middle of a delivery that goes on when GO is there."""
    wait = f"until test -e {GO}; do sleep 0.1; done"
    rule = f"|echo began >>{RAN}; {wait}; echo ran >>{RAN}\n./Maildir/\n"
    server.root.write(SLOW, rule)
    server.run(f"chown dave {SLOW}; rm -f {RAN} {GO}; mkdir -p /mnt")
    server.run(f"echo Subject: slow | /var/qmail/bin/qmail-inject dave-slow@{HOST}")
    began = f"test -e {RAN}"
    server.until(lambda: not server.run(began, check=False).returncode, "began")
    yield server
    server.run(
        f"touch {GO}; svc -d -w D -T 100 /service/qmail-send /service/qmail-queued"
        f"; if test -d {QUEUE}.old; then rm {QUEUE}; mv {QUEUE}.old {QUEUE}; fi"
        f"; rm -rf /mnt/queue {SLOW} {RAN} {GO}"
        "; svc -u /service/qmail-queued /service/qmail-send"
    )
    server.wait_up()


def test_queue_moved_as_the_page_says_delivers_a_slow_message_once(
    slow: GuideServer,
) -> None:
    done = slow.run(f"(sleep 2; touch {GO}) & {commands_of_the_page()}")
    assert "The queue is as it should be; messages: 0\n" in done.stdout
    slow.wait_up()
    slow.until(slow.queue_is_empty, "an empty queue")
    assert slow.read(RAN) == "began\nran\n"
    assert len(slow.new_messages()) == 1


def test_queue_moved_beside_a_server_that_still_delivers_is_not_repaired(
    slow: GuideServer,
) -> None:
    hasty = commands_of_the_page().replace(" -w D -T 300", "")
    done = slow.run(hasty, check=False)
    # One of the two, as they go down.
    assert re.search(r"pyqmail: fatal: qmail-(send|queued) is running\n", done.stderr)
    assert slow.read(RAN) == "began\n"


def test_setup_says_that_a_running_tcpserver_of_the_original_starves_ours(
    server: GuideServer, originals: str
) -> None:
    try:
        for name in ("softlimit", "tcpserver"):
            path = f"/usr/local/bin/{name}"
            server.run(f"cp {originals}/{name} {path}.new && mv {path}.new {path}")
        server.restart("qmail-smtpd")
        pid = server.pid_of("qmail-smtpd")
        server.until(
            lambda: server.run(f"cat /proc/{pid}/comm").stdout == "tcpserver\n",
            "the original in its place",
        )
        server.wait_port()
        said = server.setup()
        text = said.stdout + said.stderr
        assert f"setup: warning: tcpserver ({pid}) of the original: " in text
        assert text.count("...try: ") == 1
        assert "\n...try: qmailctl restart\n" in text
        with server.connect() as smtp:
            assert smtp.recv(100) == b""
        with server.restarted():
            server.run("qmailctl restart")
        server.wait_port()
        with server.connect() as smtp:
            assert smtp.recv(4) == b"220 "
        assert "setup: " not in server.setup().stdout
    finally:
        server.setup()
        with server.restarted():
            server.run("qmailctl restart")
        server.wait_port()
