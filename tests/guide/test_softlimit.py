"""``softlimit -m 5000000`` of the guide's run script: what is sent at it, and its end.

In each test the session ends alone, no process is left at work, and the server goes on.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import time
from collections.abc import Iterator

import pytest

from tests.guide.server import HOST, GuideServer, guide_script
from tests.guide.smtp_load import Talk, send_one

RUN = "/var/qmail/supervise/qmail-smtpd/run"
LIMIT = 5_000_000
RECIPIENT = b"RCPT TO:<dave@foobar.example.com>\r\n"
MEGABYTES_100 = 100 << 20
LOWER_LIMITS = (1_000_000, 300_000, 100_000, 10_000)


def pour(talk: Talk, chunk: bytes, times: int, seconds: float = 120.0) -> bytes:
    """Send a chunk again and again, taking replies; what came until the server ended.

    After the last of them comes the end of the input.
    """
    connection = talk.socket
    connection.setblocking(False)
    heard = bytearray()
    left, pending = times, memoryview(b"")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        writers = [connection] if left or pending else []
        readable, writable, _ = select.select([connection], writers, [], 1.0)
        if readable:
            try:
                data = connection.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if not data:
                return bytes(heard)
            heard += data
        if writable:
            if not pending:
                pending, left = memoryview(chunk), left - 1
            try:
                pending = pending[connection.send(pending) :]
            except (ConnectionResetError, BrokenPipeError):
                # It hears no more; what it has said may still be on the way.
                pending, left = memoryview(b""), 0
            if not left and not pending:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
    raise AssertionError(f"not over after {seconds} s: {bytes(heard[-200:])!r}")


def busy_ticks(server: GuideServer) -> int:
    """The processor time, in ticks, of everything that runs as qmaild."""
    ticks = 0
    uid = server.run("id -u qmaild").stdout.strip()
    for pid in server.run(f"pgrep -u {uid}", check=False).stdout.split():
        try:
            fields = server.path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        ticks += sum(int(n) for n in fields.rpartition(")")[2].split()[11:13])
    return ticks


def check_is_over(server: GuideServer) -> None:
    """No session is left, and nothing of qmaild's uses the processor."""
    server.until(lambda: not server.sessions(), "the end of every session")
    before = busy_ticks(server)
    time.sleep(0.3)
    assert busy_ticks(server) - before < 0.1 * os.sysconf("SC_CLK_TCK")


def check_goes_on(server: GuideServer) -> None:
    """The next session is served, by the same tcpserver."""
    check_is_over(server)
    assert send_one(server).startswith("250 ok ")
    server.until(server.new_messages, "the next message")


def begin(talk: Talk) -> None:
    """A session in which recipients may come."""
    assert talk.reply().startswith("220 ")
    assert talk.say("MAIL FROM:<ann@example.org>") == "250 ok"


def test_guides_run_script_is_unchanged_and_its_limit_holds(
    server: GuideServer,
) -> None:
    script = server.path(RUN).read_bytes()
    assert script == guide_script("qmail-smtpd/run")
    assert b"softlimit -m 5000000 \\\n" in script
    pid = server.pid_of("qmail-smtpd")
    limits = server.path(f"/proc/{pid}/limits").read_text()
    status = server.path(f"/proc/{pid}/status").read_text()
    for what, field in (("address space", "VmSize"), ("data size", "VmData")):
        found = re.search(rf"^Max {what} +(\d+) ", limits, re.MULTILINE)
        used = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
        assert found is not None, limits
        assert used is not None
        assert LIMIT * 0.8 < int(found[1]) - int(used[1]) * 1024 <= LIMIT
    assert re.search(rf"^Max stack size +{LIMIT} ", limits, re.MULTILINE)
    assert re.search(rf"^Max locked memory +{LIMIT} ", limits, re.MULTILINE)


def test_million_recipients_at_once_end_the_session(server: GuideServer) -> None:
    before = server.pid_of("qmail-smtpd")
    with Talk(server) as talk:
        begin(talk)
        # What it says last may be lost: it hangs up while more is on the way.
        heard = pour(talk, RECIPIENT * 1000, 1000)
    assert 1000 < heard.count(b"250 ok\r\n") < 1_000_000
    check_goes_on(server)
    assert server.pid_of("qmail-smtpd") == before


def test_recipients_one_after_the_other_end_with_421(server: GuideServer) -> None:
    with Talk(server) as talk:
        begin(talk)
        reply, count = "250 ok", 0
        while reply == "250 ok" and count < 1_000_000:
            talk.socket.sendall(RECIPIENT * 100)
            for _ in range(100):
                reply = talk.reply()
                if reply != "250 ok":
                    break
            count += 100
        assert reply.startswith("421 ")
        assert reply.endswith("(#4.3.0)")
        assert talk.is_over()
    assert 1000 < count < 1_000_000
    check_goes_on(server)


def test_command_line_of_100_megabytes_is_one_bad_command(
    server: GuideServer,
) -> None:
    before = server.pid_of("qmail-smtpd")
    with Talk(server) as talk:
        assert talk.reply().startswith("220 ")
        for _ in range(100):
            talk.socket.sendall(b"x" * (1 << 20))
        assert talk.say("").startswith("500 ")
        assert talk.say("NOOP") == "250 ok"
        assert talk.say("QUIT").startswith("221 ")
    check_goes_on(server)
    assert server.pid_of("qmail-smtpd") == before


def test_header_line_of_100_megabytes_is_a_message_like_any(
    server: GuideServer,
) -> None:
    with Talk(server) as talk:
        talk.begin(f"dave@{HOST}")
        talk.socket.sendall(b"Subject: long\r\nX-Long: ")
        for _ in range(100):
            talk.socket.sendall(b"x" * (1 << 20))
        assert talk.say("\r\n\r\nbody\r\n.").startswith("250 ok ")
        assert talk.say("QUIT").startswith("221 ")
    server.until(server.new_messages, "a message of 100 MB")
    (name,) = server.new_messages()
    size = server.path(f"/home/dave/Maildir/new/{name}").stat().st_size
    assert MEGABYTES_100 < size < MEGABYTES_100 + 1000
    server.run("rm /home/dave/Maildir/new/*")
    check_goes_on(server)


@pytest.fixture
def lowered(
    server: GuideServer, request: pytest.FixtureRequest
) -> Iterator[GuideServer]:
    """The server with a lower limit in the run script."""
    script = server.path(RUN).read_bytes()
    lower = script.replace(b"-m 5000000 ", b"-m %d " % request.param)
    assert lower != script
    with server.changed(RUN, lower):
        server.restart("qmail-smtpd")
        yield server
    server.restart("qmail-smtpd")
    server.wait_port()


@pytest.mark.parametrize("lowered", LOWER_LIMITS, indirect=True)
def test_lower_limit_ends_every_session_alone(lowered: GuideServer) -> None:
    server = lowered
    for opening, chunk in (
        (b"MAIL FROM:<ann@example.org>\r\n", RECIPIENT * 1000),
        (b"", b"x" * (1 << 20)),
    ):
        try:
            talk = Talk(server)
        except ConnectionRefusedError:
            continue
        with talk:
            # What is not taken, the next bytes are not either.
            with contextlib.suppress(OSError):
                talk.socket.sendall(opening)
            pour(talk, chunk, 100)
        check_is_over(server)
