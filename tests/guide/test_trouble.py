"""Files that are broken, missing, unreadable or on a full disk: mail waits, or is
refused for now; nothing is lost and the server goes on when they are well again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.guide.server import HOST, GuideServer
from tests.guide.smtp_load import Talk, send_one
from tests.guide.test_load import queue_files

HOME = "/var/qmail"
CONTROL = f"{HOME}/control"
QUEUE = f"{HOME}/queue"


@pytest.fixture(autouse=True)
def _serves_on(server: GuideServer) -> Iterator[None]:
    """After every test of this file all is as before it."""
    yield
    assert send_one(server).startswith("250 ok ")
    server.until(server.new_messages, "the next message")
    server.until(lambda: not queue_files(server), "an empty queue")


def wait_for_deferral(server: GuideServer, words: str) -> None:
    """Wait for a deferral that says so."""

    def is_deferred() -> bool:
        lines = server.log().splitlines()
        return any(": deferral: " in line and words in line for line in lines)

    server.until(is_deferred, f"a deferral {words}")
    assert server.new_messages() == []


def wait_for_mail(server: GuideServer, maildir: str) -> None:
    """Ask for the next try, and wait for mail."""
    server.run("qmailctl doqueue")
    server.until(lambda: server.new_messages(maildir), f"mail in {maildir}")


@contextlib.contextmanager
def small_queue(server: GuideServer, megabytes: int) -> Iterator[None]:
    """The queue copied to a small file system that is mounted in its place."""
    down = "svc -d /service/qmail-send"
    server.run(down)
    server.wait_down("qmail-send")
    try:
        server.run(
            f"mkdir -p /tmp/small && mount -t tmpfs -o size={megabytes}m tmpfs /tmp/small"
            f" && cp -a {QUEUE} /tmp/small && mount --bind /tmp/small/queue {QUEUE}"
        )
        server.run("svc -u /service/qmail-send")
        server.wait_up()
        yield
    finally:
        server.run(down)
        server.wait_down("qmail-send")
        # Lazily: an idle worker of qmail-queued may still have its cwd there.
        server.run(f"umount -l {QUEUE} && umount -l /tmp/small")
        server.run("svc -u /service/qmail-send")
        server.wait_up()


def test_full_disk_refuses_for_now_and_takes_mail_again(server: GuideServer) -> None:
    with small_queue(server, 48):
        with Talk(server) as talk:
            talk.begin(f"dave@{HOST}")
            talk.socket.sendall(b"Subject: large\r\n\r\n")
            for _ in range(40):
                talk.socket.sendall(b"x" * (1 << 20) + b"\r\n")
            reply = talk.say(".")
            assert reply.startswith("451 ")
            assert "(#4.3.0)" in reply
            assert talk.say("QUIT").startswith("221 ")
        server.until(lambda: not queue_files(server), "nothing left of it")
        assert send_one(server).startswith("250 ok ")
        server.until(lambda: len(server.new_messages()) == 1, "the next message")
        server.run(f"head -c 40000000 /dev/zero > {QUEUE}/filler")
        assert send_one(server).startswith("451 ")
        server.until(lambda: not queue_files(server), "nothing left of it")
        done = server.run(
            "su dave -c '/var/qmail/bin/qmail-inject dave'",
            stdin="Subject: full\n\nx\n",
            check=False,
        )
        assert done.returncode == 111
        server.run(f"rm {QUEUE}/filler")
        assert send_one(server).startswith("250 ok ")
        server.until(lambda: len(server.new_messages()) == 2, "the one after")


@pytest.mark.parametrize("name", ["rcpthosts", "smtpgreeting", "databytes", "me"])
@pytest.mark.parametrize("how", ["chmod 000", "a directory"])
def test_unreadable_control_file_is_421(
    server: GuideServer, name: str, how: str
) -> None:
    path = f"{CONTROL}/{name}"
    with server.changed(path, "0\n"):
        if how == "a directory":
            server.run(f"rm {path} && mkdir {path}")
        else:
            server.run(f"chmod 000 {path}")
        with Talk(server) as talk:
            reply = talk.reply()
            assert reply.startswith("421 ")
            assert "(#4.3.0)" in reply
            assert talk.is_over()


def test_missing_me_is_421(server: GuideServer) -> None:
    with server.changed(f"{CONTROL}/me", None), Talk(server) as talk:
        assert talk.reply().startswith("421 ")


@pytest.mark.parametrize("rules", [b"garbage", b"\xff" * 4096, b"", None])
def test_broken_or_missing_rules_drop_every_connection(
    server: GuideServer, rules: bytes | None
) -> None:
    # SECURITY: rules that cannot be read must never mean "allowed".
    before = server.pid_of("qmail-smtpd")
    with server.changed("/etc/tcp.smtp.cdb", rules):
        with Talk(server) as talk:
            assert talk.reply() == ""
        server.until(
            lambda: (
                "tcpserver: warning: dropping connection, unable to read "
                "/etc/tcp.smtp.cdb" in server.log("smtpd")
            ),
            "a warning",
        )
        server.until(lambda: " status 28416\n" in server.log("smtpd"), "exit 111")
    assert server.pid_of("qmail-smtpd") == before


def test_broken_morercpthosts_is_421_and_takes_nothing(server: GuideServer) -> None:
    rules = server.read("/etc/tcp.smtp")
    path = f"{CONTROL}/morercpthosts.cdb"
    try:
        server.root.write("/etc/tcp.smtp", "127.:allow\n")
        server.run("qmailctl cdb")
        with server.changed(path, b"garbage"), Talk(server) as talk:
            reply = talk.reply()
            if reply.startswith("220 "):
                talk.say("MAIL FROM:<ann@example.org>")
                reply = talk.say("RCPT TO:<joe@elsewhere.example>")
            assert reply.startswith("421 ")
            assert talk.is_over()
    finally:
        server.root.write("/etc/tcp.smtp", rules)
        server.run("qmailctl cdb")


def test_broken_users_cdb_defers_until_it_is_well(server: GuideServer) -> None:
    with server.changed(f"{HOME}/users/cdb", b"\x01" * 3000):
        assert send_one(server).startswith("250 ok ")
        wait_for_deferral(server, "users/cdb")
    wait_for_mail(server, "/home/dave/Maildir")


@pytest.mark.parametrize(
    ("break_it", "mend_it", "code"),
    [
        ("chmod 666 .qmail", "chmod 644 .qmail", "4.7.0"),
        ("chmod 000 .qmail", "chmod 644 .qmail", "4.3.0"),
        ("chmod 777 .", "chmod 755 .", "4.7.0"),
        ("chmod 1755 .", "chmod 755 .", "4.2.1"),
        ("chmod 744 .qmail", "chmod 644 .qmail", "4.7.0"),
        ("mv Maildir M", "mv M Maildir", "4.2.1"),
        ("rmdir Maildir/tmp", "mkdir -m 700 Maildir/tmp", "4."),
        ("chmod 500 Maildir/tmp", "chmod 700 Maildir/tmp", "4."),
        (r"printf '\n./Maildir/\n' > .qmail", "echo ./Maildir/ > .qmail", "4.2.1"),
    ],
)
def test_trouble_with_a_users_files_defers_until_it_is_mended(
    server: GuideServer, break_it: str, mend_it: str, code: str
) -> None:
    with server.user("abe") as home:

        def as_abe(command: str) -> None:
            server.run("su abe -s /bin/sh", stdin=f"cd {home} && {command}")

        as_abe("echo ./Maildir/ > .qmail")
        as_abe(break_it)
        assert send_one(server, f"abe@{HOST}").startswith("250 ok ")
        wait_for_deferral(server, f"(#{code}")
        as_abe(mend_it)
        wait_for_mail(server, f"{home}/Maildir")
