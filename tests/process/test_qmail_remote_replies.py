"""qmail-remote against one server that is slow, chatty, hasty, or modern."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qmail.smtp.reply import MAX_TEXT
from tests.support.smtphome import Home
from tests.support.smtpservers import ALL_WELL, Scripted
from tests.support.until import until

ARGUMENTS = ("host.example", "s@a.example", "r@b.example")
EIGHT = b"Subject: x\n\nna\xc3\xafve\n.\n"
Talk = Callable[..., tuple[list[bytes], bytes]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def talk(home: Home) -> Iterator[Talk]:
    """The reports of one message, and what the server heard."""
    servers: list[Scripted] = []

    def run(
        replies: list[bytes | None], *arguments: str, message: bytes = EIGHT
    ) -> tuple[list[bytes], bytes]:
        server = Scripted(replies)
        servers.append(server)
        home.control(smtproutes=b":127.0.0.1:%d\n" % server.port)
        reports = home.remote(*(arguments or ARGUMENTS), message=message)
        until(lambda: len(server.connections) == 1)
        server.close()
        servers.clear()
        return reports, server.connections[0]

    yield run
    for server in servers:
        server.close()


def after_hello(hello: list[bytes]) -> list[bytes | None]:
    return [b"220 hi", *hello, *ALL_WELL[2:]]


@pytest.mark.parametrize(
    ("hello", "said"),
    [
        ([b"250 plain"], b"EHLO me.example\r\nMAIL FROM:<s@a.example>\r\n"),
        (
            [b"250-me\r\n250-8BITMIME\r\n250 SIZE 100000"],
            b"EHLO me.example\r\nMAIL FROM:<s@a.example> SIZE=25 BODY=8BITMIME\r\n",
        ),
        (
            [b"250-me\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250 CHUNKING"],
            b"EHLO me.example\r\nMAIL FROM:<s@a.example>\r\n",
        ),
        (
            [b"500 what", b"250 old"],
            b"EHLO me.example\r\nHELO me.example\r\nMAIL FROM:<s@a.example>\r\n",
        ),
        (
            [b"450 hm", b"250 old"],
            b"EHLO me.example\r\nHELO me.example\r\nMAIL FROM:<s@a.example>\r\n",
        ),
    ],
)
def test_remote_offers_what_the_server_can_use(
    talk: Talk, hello: list[bytes], said: bytes
) -> None:
    reports, heard = talk(after_hello(hello))
    assert heard == said + (
        b"RCPT TO:<r@b.example>\r\nDATA\r\n"
        b"Subject: x\r\n\r\nna\xc3\xafve\r\n..\r\n.\r\nQUIT\r\n"
    )
    assert [report[:1] for report in reports] == [b"r", b"K"]


def test_remote_size_is_of_what_is_behind_the_position_of_its_descriptor(
    home: Home,
) -> None:
    server = Scripted(after_hello([b"250-me\r\n250 SIZE"]))
    home.control(smtproutes=b":127.0.0.1:%d\n" % server.port)
    path = home.path / "positioned"
    path.write_bytes(b"not this\nbut this\n")
    with open(path, "rb", buffering=0) as file:
        file.seek(9)
        subprocess.run(
            [home.program("qmail-remote"), *ARGUMENTS],
            stdin=file,
            capture_output=True,
            check=True,
            timeout=60,
        )
    server.close()
    assert b" SIZE=10\r\n" in server.connections[0]
    assert b"DATA\r\nbut this\r\n.\r\n" in server.connections[0]


def test_remote_message_in_a_pipe_goes_without_parameters(home: Home) -> None:
    server = Scripted(after_hello([b"250-me\r\n250-SIZE\r\n250 8BITMIME"]))
    home.control(smtproutes=b":127.0.0.1:%d\n" % server.port)
    done = subprocess.run(
        [home.program("qmail-remote"), *ARGUMENTS],
        input=EIGHT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    server.close()
    assert b"MAIL FROM:<s@a.example>\r\n" in server.connections[0]
    assert done.stdout.startswith(b"r\0K")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"550 " + b"x" * 9000, b"550 " + b"x" * (MAX_TEXT - 4)),
        (
            b"550-a line\r\n" * 2000 + b"550 end",
            (b"550-a line\n" * 2000)[:MAX_TEXT],
        ),
        (b"550 a\0b\rc", b"550 a?bc\n"),
        (b"550-one\n550 two", b"550-one\n550 two\n"),
        (b"550-one\r\n250 two", b"550-one\n250 two\n"),
    ],
)
def test_remote_odd_reply_is_read_to_its_end_and_reported(
    talk: Talk, reply: bytes, said: bytes
) -> None:
    reports, heard = talk([b"220 hi", b"250 hello", reply, None])
    assert reports == [
        b"DConnected to 127.0.0.1 but sender was rejected.\nRemote host said: " + said
    ]
    assert heard.endswith(b"QUIT\r\n")


@pytest.mark.parametrize(
    ("answers", "letters"),
    [
        ([b"250 a", b"550 b", b"450 c"], b"rhsK"),
        ([b"550 a", b"450 b", b"250 c"], b"hsrK"),
        ([b"550 a", b"550 b", b"550 c"], b"hhhD"),
        ([b"450 a", b"451 b", b"452 c"], b"sssD"),
        ([b"450 a", b"251 b", b"hello"], b"srsK"),
    ],
)
def test_remote_recipients_are_judged_one_by_one(
    talk: Talk, answers: list[bytes], letters: bytes
) -> None:
    reports, heard = talk(
        [b"220 a", b"250 b", b"250 c", *answers, b"354 d", b"250 e"],
        *("host", "s@a", "a@b", "b@b", "c@b"),
    )
    assert b"".join(report[:1] for report in reports) == letters
    if letters.endswith(b"D"):
        assert reports[-1] == b"DGiving up on 127.0.0.1.\n"
        assert heard.endswith(b"RCPT TO:<c@b>\r\nQUIT\r\n")
    else:
        assert heard.endswith(b"\r\n.\r\nQUIT\r\n")


def test_remote_replies_that_come_early_are_taken_in_order(talk: Talk) -> None:
    reports, heard = talk([b"\r\n".join(ALL_WELL), None], message=b"x\n")
    assert reports[-1].endswith(b"Remote host said: 250 e\n")
    assert heard == (
        b"EHLO me.example\r\nMAIL FROM:<s@a.example>\r\nRCPT TO:<r@b.example>\r\n"
        b"DATA\r\nx\r\n.\r\nQUIT\r\n"
    )


def test_remote_refusal_while_the_message_is_sent_is_heard(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        home.control(smtproutes=b":127.0.0.1:%d\n" % listener.getsockname()[1])

        def refuse() -> None:
            peer, _ = listener.accept()
            with peer:
                lines = peer.makefile("rb")
                for reply in ALL_WELL[:5]:
                    peer.sendall(reply + b"\r\n")
                    lines.readline()
                peer.sendall(b"552 too much\r\n")
                # What is unread makes this a reset, in the midst of the message.
                lines.close()

        thread = threading.Thread(target=refuse)
        thread.start()
        reports = home.remote(*ARGUMENTS, message=b"long line\n" * 2_000_000)
        thread.join(20)
    assert reports == [
        b"r",
        b"D127.0.0.1 failed after I sent the message.\n"
        b"Remote host said: 552 too much\n",
    ]


def test_remote_reset_after_the_message_may_be_a_duplicate(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        home.control(smtproutes=b":127.0.0.1:%d\n" % listener.getsockname()[1])

        def reset() -> None:
            peer, _ = listener.accept()
            lines = peer.makefile("rb")
            for reply in ALL_WELL[:5]:
                peer.sendall(reply + b"\r\n")
                line = lines.readline()
            while line != b".\r\n":
                line = lines.readline()
            now = struct.pack("ii", 1, 0)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
            lines.close()
            peer.close()

        thread = threading.Thread(target=reset)
        thread.start()
        reports = home.remote(*ARGUMENTS, message=b"x\n")
        thread.join(20)
    assert reports[1] == (
        b"ZConnected to 127.0.0.1 but connection died. Possible duplicate! (#4.4.2)\n"
    )


def test_remote_reply_that_drips_must_be_whole_in_time(home: Home) -> None:
    home.control(timeoutremote=b"2\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        home.control(smtproutes=b":127.0.0.1:%d\n" % listener.getsockname()[1])
        process = subprocess.Popen(
            [home.program("qmail-remote"), *ARGUMENTS],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        peer, _ = listener.accept()
    started = time.monotonic()
    try:
        with peer:
            # A byte now and then, never two seconds of silence.
            while process.poll() is None:
                assert time.monotonic() - started < 30
                try:
                    peer.sendall(b"2")
                except OSError:
                    break
                try:
                    process.wait(0.2)
                except subprocess.TimeoutExpired:
                    continue
        process.wait(20)
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    assert process.stdout is not None
    with process.stdout:
        said = process.stdout.read()
    assert said == b"ZConnected to 127.0.0.1 but connection died. (#4.4.2)\n\0"
