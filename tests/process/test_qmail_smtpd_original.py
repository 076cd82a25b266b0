"""qmail-smtpd beside what the original did with the same control files and variables."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support import smtpd_original as original
from tests.support import smtpd_original_sessions as sessions
from tests.support.smtphome import Home

MAIL = b"MAIL FROM:<s@a.example>\r\n"
RCPT = b"RCPT TO:<r@ok.example>\r\n"
SEND = b"DATA\r\nx\r\n.\r\n"
QUIT = b"QUIT\r\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def codes(home: Home, commands: bytes, **more: str) -> list[bytes]:
    """The codes of the answers to the commands, those of others left out."""
    done = home.smtpd(commands + QUIT, **more)
    assert (done.returncode, done.stderr) == (0, b"")
    return [line[:3] for line in done.stdout.splitlines()][1:-1]


def test_recipients_are_those_of_the_original(home: Home) -> None:
    home.control(localiphost=b"ok.example\n")
    rows = original.RECIPIENTS
    commands = b"".join(b"RCPT %b\r\n" % argument for argument in rows)
    answers = codes(home, MAIL + commands + SEND)[1 : len(rows) + 1]
    wanted = [b"553" if address is None else b"250" for address in rows.values()]
    assert dict(zip(rows, answers, strict=True)) == dict(zip(rows, wanted, strict=True))
    [(_, envelope)] = home.stored()
    taken = [address for address in rows.values() if address is not None]
    assert envelope.split(b"\0")[1:-2] == [b"T" + address for address in taken]


@pytest.mark.parametrize(("file", "barred"), original.BARRED.items())
def test_badmailfrom_bars_whom_it_barred(
    home: Home, file: bytes, barred: set[bytes]
) -> None:
    home.control(badmailfrom=file)
    senders = original.SENDERS
    commands = b"".join(b"MAIL FROM:<%b>\r\n" % sender + RCPT for sender in senders)
    answers = codes(home, commands)[1::2]
    assert barred == {s for s, a in zip(senders, answers, strict=True) if a == b"553"}
    assert set(answers) <= {b"250", b"553"}


def welcome(home: Home, domains: list[bytes]) -> list[bytes]:
    commands = b"".join(b"RCPT TO:<r@%b>\r\n" % domain for domain in domains)
    answers = codes(home, MAIL + commands)[1:]
    assert set(answers) <= {b"250", b"553"}
    return [d for d, a in zip(domains, answers, strict=True) if a == b"250"]


@pytest.mark.parametrize(("file", "domains"), original.HOSTS.items())
def test_rcpthosts_welcomes_what_it_welcomed(
    home: Home, file: bytes, domains: set[bytes]
) -> None:
    home.control(rcpthosts=file)
    assert set(welcome(home, original.DOMAINS)) == domains


def test_morercpthosts_welcomes_what_it_welcomed(home: Home) -> None:
    home.control(morercpthosts=original.MORE)
    subprocess.run([home.program("qmail-newmrh")], check=True)
    asked = original.WELCOME_MORE + original.UNWELCOME_MORE
    assert welcome(home, asked) == original.WELCOME_MORE


@pytest.mark.parametrize(("written", "too_big"), sessions.LIMITS.items())
def test_databytes_is_the_number_that_it_was(
    home: Home, written: bytes, too_big: tuple[bool, bool]
) -> None:
    message = MAIL + RCPT + SEND.replace(b"x", b"x" * 8)
    home.control(databytes=written)
    assert codes(home, message)[-1] == (b"552" if too_big[0] else b"250")
    home.control(databytes=b"0")
    answers = codes(home, message, DATABYTES=written.decode())
    assert answers[-1] == (b"552" if too_big[1] else b"250")


def lines(home: Home, hellos: list[bytes], environment: dict[str, str]) -> list[bytes]:
    """The line Received, without its date, of a message after each hello."""
    done = subprocess.run(
        [home.program("qmail-smtpd")],
        input=b"".join(hello + MAIL + RCPT + SEND for hello in hellos) + QUIT,
        env=environment,
        capture_output=True,
        timeout=60,
        check=True,
    )
    store = home.path / "store"
    numbers = re.findall(rb"\r\n250 ok \d+ qp (\d+)\r\n", done.stdout)
    messages = [(store / f"{int(qp)}.message").read_bytes() for qp in numbers]
    return [message.partition(b"; ")[0] for message in messages]


def whole(line: bytes) -> bytes:
    return b"Received: from " + line.replace(b" | ", b"\n  by ")


def test_received_tells_the_hello_that_it_told(home: Home) -> None:
    rows = [row for row in sessions.RECEIVED if not row[1]]
    # The name that tcpserver knows is as good as none.
    hellos = [b"HELO unknown\r\n" + hello for hello, _, _ in rows]
    expected = [whole(line) for _, _, line in rows]
    assert lines(home, hellos, home.environment()) == expected


@pytest.mark.parametrize(
    ("variables", "line"), [row[1:] for row in sessions.RECEIVED if not row[0]]
)
def test_received_tells_of_the_connection_what_it_told(
    home: Home, variables: dict[str, bytes | None], line: bytes
) -> None:
    environment = home.environment()
    for name, value in variables.items():
        if value is None:
            del environment[name]
        else:
            environment[name] = os.fsdecode(value)
    assert lines(home, [b""], environment) == [whole(line)]
