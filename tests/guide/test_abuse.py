"""What a bad client sends to port 25; each is answered as qmail-smtpd(8) says.

After each of these the server still serves, and nothing is left in the queue.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.guide.server import HOST, GuideServer
from tests.guide.smtp_load import Talk, send_one
from tests.guide.test_load import queue_files

CONTROL = "/var/qmail/control"
MEGABYTE = 1 << 20


@pytest.fixture(autouse=True)
def _serves_on(server: GuideServer) -> Iterator[None]:
    """After every test of this file: the next message arrives, and no other."""
    yield
    server.until(lambda: not server.sessions(), "the end of every session")
    server.run("rm -f /home/dave/Maildir/new/*")
    assert send_one(server).startswith("250 ok ")
    server.until(server.new_messages, "the next message")
    server.until(lambda: not queue_files(server), "an empty queue")


def test_odd_commands_are_answered_and_the_session_goes_on(
    server: GuideServer,
) -> None:
    with Talk(server) as talk:
        assert talk.reply() == f"220 {HOST} ESMTP"
        for line, code in (
            (b"FOO", "502"),
            (b"", "502"),
            (b"   ", "502"),
            (b"\xff\xfe\xfd", "502"),
            (b"HELOX client", "502"),
            (b"x" * 50_000, "500"),
            (b"nOoP", "250"),
            (b"NOOP\0rubbish", "500"),
            (b"RCPT TO:<dave@foobar.example.com>", "503"),
            (b"DATA", "503"),
            (b"MAIL FROM:<ann@example.org>", "250"),
            (b"DATA", "503"),
            (b"VRFY root", "252"),
            (b"HELP", "214"),
            (b"RSET", "250"),
            (b"RCPT TO:<dave@foobar.example.com>", "503"),
            (b"QUIT now", "221"),
        ):
            assert talk.say(line)[:3] == code, line
        assert talk.is_over()


def test_too_long_arguments_are_refused_with_555(server: GuideServer) -> None:
    with Talk(server) as talk:
        talk.reply()
        long = "x" * 900
        assert talk.say(f"MAIL FROM:<{long}@example.org>").startswith("555 ")
        assert talk.say(f"MAIL FROM:<{'x' * 800}@example.org>") == "250 ok"
        reply = talk.say(f"RCPT TO:<{long}@{HOST}>")
        assert reply.startswith("555 ")
        assert "5.5.4" in reply
        assert talk.say(f"RCPT TO:<dave@{HOST}>") == "250 ok"
        assert talk.say("QUIT").startswith("221 ")


def test_line_of_100_megabytes_over_databytes_is_552(server: GuideServer) -> None:
    with server.changed(f"{CONTROL}/databytes", "1000000\n"), Talk(server) as talk:
        talk.begin(f"dave@{HOST}")
        talk.socket.sendall(b"Subject: long\r\n\r\n")
        for _ in range(100):
            talk.socket.sendall(b"x" * MEGABYTE)
        reply = talk.say("\r\n.")
        assert reply.startswith("552 ")
        assert "(#5.3.4)" in reply
        assert talk.say("QUIT").startswith("221 ")
    assert server.new_messages() == []


@pytest.mark.parametrize(
    "wire",
    [
        b"Subject: x\r\n\r\none\ntwo\r\n.\r\n",
        b"Subject: x\r\n\r\none\n.\r\nMAIL FROM:<b@example.org>\r\n",
        b"Subject: x\r\n\r\none\r\n.\nMAIL FROM:<b@example.org>\r\n",
        b"Subject: x\r\n\r\none\n.\nMAIL FROM:<b@example.org>\r\n",
        b"\n.\r\n",
    ],
    ids=["line", "dot-line", "dot", "both", "first-byte"],
)
def test_bare_line_feed_ends_the_session_with_550(
    server: GuideServer, wire: bytes
) -> None:
    with Talk(server) as talk:
        talk.begin(f"dave@{HOST}")
        talk.socket.sendall(wire)
        assert talk.reply().startswith("550 ")
        assert talk.is_over()
    server.until(lambda: not queue_files(server), "nothing queued")
    assert server.new_messages() == []


def test_nul_bytes_in_a_message_arrive_as_they_are(server: GuideServer) -> None:
    with Talk(server) as talk:
        talk.begin(f"dave@{HOST}")
        reply = talk.say(b"Subject: a\0b\r\n\r\n\0\0body\0\r\n\0.\r\n\r\0\r\n.")
        assert reply.startswith("250 ok ")
    server.until(server.new_messages, "the message")
    (name,) = server.new_messages()
    data = server.path(f"/home/dave/Maildir/new/{name}").read_bytes()
    assert data.endswith(b"\nSubject: a\0b\n\n\0\0body\0\n\0.\n\r\0\n")


def test_nul_byte_in_an_address_is_a_bad_command(server: GuideServer) -> None:
    with Talk(server) as talk:
        talk.reply()
        assert talk.say("MAIL FROM:<ann@example.org>") == "250 ok"
        reply = talk.say(b"RCPT TO:<dave@foobar.example.com\0@elsewhere.example>")
        assert reply.startswith("500 ")
        assert talk.say("DATA").startswith("503 ")
        assert talk.say("QUIT").startswith("221 ")


@pytest.mark.parametrize("abort", [False, True], ids=["end-of-file", "reset"])
def test_data_cut_off_queues_nothing(server: GuideServer, abort: bool) -> None:
    talk = Talk(server)
    talk.begin(f"dave@{HOST}")
    talk.socket.sendall(b"Subject: cut\r\n\r\n" + b"a line\r\n" * 20_000)
    server.until(lambda: queue_files(server, "mess"), "a begun message")
    if abort:
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        talk.socket.setsockopt(1, 13, linger)  # SOL_SOCKET, SO_LINGER: a reset
    talk.close()
    server.until(lambda: not queue_files(server), "nothing queued")
    assert server.new_messages() == []


def test_silent_client_is_hung_up_on_with_451(server: GuideServer) -> None:
    # Long enough for a client that is slow at each of its commands.
    with server.changed(f"{CONTROL}/timeoutsmtpd", "6\n"):
        began = time.monotonic()
        idle, sending = Talk(server), Talk(server)
        with idle, sending:
            sending.begin(f"dave@{HOST}")
            sending.socket.sendall(b"Subject: half\r\n\r\na li")
            assert idle.reply().startswith("220 ")
            for talk in (idle, sending):
                reply = talk.reply()
                assert reply.startswith("451 ")
                assert "(#4.4.2)" in reply
                assert talk.is_over()
            assert time.monotonic() - began >= 6
    server.logged(r"^tcpserver: end \d+ status 256$", "smtpd")


def test_connections_over_the_limit_wait_and_are_then_served(
    server: GuideServer,
) -> None:
    limit = int(server.read(f"{CONTROL}/concurrencyincoming"))
    talks = [Talk(server) for _ in range(limit + 5)]
    try:
        for talk in talks[:limit]:
            assert talk.reply().startswith("220 ")
        server.until(lambda: server.sessions() == limit, "all places taken")
        talks[-1].socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            talks[-1].socket.recv(1)
        for talk in talks[:5]:
            talk.close()
        for talk in talks[limit:]:
            late = Talk.__new__(Talk)
            late.socket, late._stream = talk.socket, talk.socket.makefile("rb")
            late.socket.settimeout(60)
            assert late.reply().startswith("220 ")
        assert f"tcpserver: status: {limit}/{limit}\n" in server.log("smtpd")
        assert f"status: {limit + 1}/" not in server.log("smtpd")
    finally:
        for talk in talks:
            talk.close()
