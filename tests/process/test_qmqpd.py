"""qmail-qmqpd as a process, and against Postfix's qmqp-source."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ORIGINALS, tool
from tests.support.netstringhome import netstring_home
from tests.support.sessions import listening
from tests.support.smtphome import Home
from tests.unit.qmqp.dialogue import package

TEXT = b"Subject: x\n\nhi\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return netstring_home(tmp_path)


def test_qmqpd_message_is_queued_with_received_line(home: Home) -> None:
    data = package(TEXT, b"s@a", (b"r@anywhere", b"q"))
    done = home.run("qmail-qmqpd", data + b"junk", TCPREMOTEINFO="joe")
    assert (done.returncode, done.stderr) == (0, b"")
    assert re.fullmatch(rb"\d+:Kok \d+ qp \d+,", done.stdout)
    [(message, envelope)] = home.stored()
    assert envelope == b"Fs@a\0Tr@anywhere\0Tq\0\0"
    received, _, rest = message.partition(b" -0000\n")
    assert received.startswith(
        b"Received: from unknown (joe@192.0.2.1)\n  by me.example with QMQP; "
    )
    assert rest == TEXT


@pytest.mark.parametrize(
    ("data", "status", "letter"),
    [
        (b"", 0, b""),
        (package()[:-1], 0, b""),
        (b"EHLO x\r\n", 100, b""),
        (package()[:-1] + b";", 100, b""),
        (b"99999999999:", 111, b""),
        (package(sender=b"\0"), 0, b"D"),
        (package(recipients=(b"a", b"a" * 1000)), 0, b"D"),
    ],
)
def test_qmqpd_what_is_no_message_is_not_queued(
    home: Home, data: bytes, status: int, letter: bytes
) -> None:
    done = home.run("qmail-qmqpd", data)
    assert (done.returncode, done.stderr) == (status, b"")
    assert done.stdout.partition(b":")[2][:1] == letter
    assert home.stored() == []


@pytest.mark.parametrize(("status", "letter"), [("31", b"D"), ("53", b"Z")])
def test_qmqpd_queue_program_refuses_letter_says_so(
    home: Home, status: str, letter: bytes
) -> None:
    done = home.run("qmail-qmqpd", package(), QQ_STATUS=status)
    assert done.stdout.partition(b":")[2][:1] == letter


def test_qmqpd_without_home_is_111(home: Home) -> None:
    (home.path / "bin").rename(home.path.parent / "moved-qmqpd")
    for name in ("control", "queue", "store"):
        (home.path / name).rename(home.path.parent / name)
    home.path.rmdir()
    program = home.path.parent / "moved-qmqpd/qmail-qmqpd"
    done = subprocess.run([program], input=package(), check=False, timeout=60)
    assert done.returncode == 111


def test_qmqpd_postfix_qmqp_source_sends_through_it(home: Home) -> None:
    source = tool("qmqp-source", "postfix")
    with listening(home, "qmail-qmqpd", 3) as port:
        done = subprocess.run(
            [
                *(source, "-4", "-m", "3", "-r", "2", "-l", "20000"),
                *("-f", "s@a.example", "-t", "r@b.example", f"127.0.0.1:{port}"),
            ],
            env={"LD_LIBRARY_PATH": f"{os.path.realpath(ORIGINALS)}/usr/lib/postfix"},
            capture_output=True,
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")
    stored = home.stored()
    assert len(stored) == 3
    for message, envelope in stored:
        assert envelope == b"Fs@a.example\0T0r@b.example\0T1r@b.example\0\0"
        assert len(message) > 20000
