"""rblsmtpd in front of a program: under tcpserver, by itself, and under a limit."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytools.commands.rblsmtpd import LOOKUP_SECONDS
from pytools.process.dnsnames import TRY_SECONDS
from tests.support.dnsserver import DnsServer, Zone, serving
from tests.support.smtphome import Home
from tests.support.tcpservers import ROOT, Running
from tests.support.until import until

Start = Callable[..., Running]
LISTED, OTHER = "127.0.0.1", "127.0.0.2"
ZONE: Zone = {
    ("1.0.0.127.list.test.", "A"): ["127.0.0.2"],
    ("1.0.0.127.list.test.", "TXT"): ['"see http://list.test/"'],
    ("2.0.0.127.list.test.", "TXT"): ['"too"'],
    ("2.0.0.127.white.test.", "A"): ["127.0.0.2"],
    ("1.0.0.127.slow.test.", "SILENT"): [],
    ("2.0.0.127.slow.test.", "SILENT"): [],
}


@pytest.fixture
def names() -> Iterator[DnsServer]:
    with serving(ZONE) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path, [b"tcpserver", b"rblsmtpd"])


def environment(names: DnsServer, **more: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "DNSCACHEIP": f"127.0.0.1:{names.port}",
        "TCPREMOTEIP": LISTED,
        **more,
    }


@pytest.fixture
def start(home: Home, names: DnsServer) -> Iterator[Start]:
    with ExitStack() as servers:

        def begin(*lists: str, program: str) -> Running:
            server = Running(
                [home.program("tcpserver")],
                ["-vHRl0"],
                [home.program("rblsmtpd"), *lists, program],
                environment(names),
                host="0",
            )
            return servers.enter_context(server)

        yield begin


def said(server: Running, source: str) -> bytes:
    """All that the server says to a client from there that quits at once."""
    with server.connect(source=source) as connection:
        connection.sendall(b"MAIL FROM:<a@b>\r\nRCPT TO:<joe@ok.example>\r\nQUIT\r\n")
        return connection.makefile("rb").read()


def test_one_worker_refuses_a_client_and_serves_the_next(
    start: Start, home: Home, names: DnsServer
) -> None:
    lists = ["-a", "white.test", "-r", "none.test", "-b", "-r", "list.test"]
    server = start(*lists, program=home.program("qmail-smtpd"))
    for count, source in enumerate((LISTED, OTHER, LISTED), 1):
        replies = said(server, source)
        server.wait_for(": end ", count)
        if source == LISTED:
            assert replies == (
                b"220 rblsmtpd.local\r\n250 rblsmtpd.local\r\n"
                b"553 see http://list.test/\r\n221 rblsmtpd.local\r\n"
            )
        else:
            assert re.fullmatch(
                b"(220|250|221) .*me.example.*", replies.split(b"\r\n")[0]
            )
            assert b"\r\n250 ok\r\n" in replies
    log = "\n".join(server.lines())
    (pid,) = set(re.findall(r": pid (\d+) from", log))
    line = f"rblsmtpd: {LISTED} pid {pid}: 553 see http://list.test/"
    assert log.count(line) == 2
    # Each name was asked for once: the resolver remembers what the worker does not.
    asked = [(name, kind) for name, kind, _ in names.asked]
    assert len(asked) == len(set(asked))
    # Who is in the white list needs no more answers.
    assert ("2.0.0.127.white.test.", "A") in asked
    assert sum(name.startswith("1.0.0.127.") for name, _ in asked) == 5


def test_refusal_does_not_wait_for_the_lists_behind(
    start: Start,
) -> None:
    words = ["-t0", "-r", "list.test", "-r", "slow.test", "-a", "slow.test"]
    server = start(*words, program="true")
    began = time.monotonic()
    assert server.fetch(source=LISTED)[0] == b"451 see http://list.test/\r\n"
    assert time.monotonic() - began < LOOKUP_SECONDS


def run(
    home: Home, names: DnsServer, *words: str, **env: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [home.program("rblsmtpd"), *words, "echo", "program"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(names, **env),
        timeout=60,
        check=False,
    )


def test_lists_are_asked_at_once(home: Home, names: DnsServer) -> None:
    """Twenty of them, with one in front that never answers: one time limit for all."""
    others = [word for n in range(20) for word in ("-r", f"{n}.test")]
    child = subprocess.Popen(
        [
            home.program("rblsmtpd"),
            "-t0",
            "-r",
            "slow.test",
            *others,
            "echo",
            "program",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=environment(names),
    )
    wanted = {
        (f"1.0.0.127.{n}.test.", kind) for n in range(20) for kind in ("A", "TXT")
    }
    until(lambda: names.asked)
    began = time.monotonic()
    while not wanted <= {(name, kind) for name, kind, _ in names.asked}:
        assert child.poll() is None
        assert time.monotonic() - began < TRY_SECONDS
        time.sleep(0.01)
    child.kill()
    child.communicate(timeout=20)


def test_limit_of_memory_leaves_room_for_the_question(
    home: Home, names: DnsServer
) -> None:
    done = subprocess.run(
        [
            *(home.program("softlimit"), "-m", "5000000", home.program("rblsmtpd")),
            *("-t0", "-r", "list.test", "true"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(names),
        timeout=60,
        check=True,
    )
    assert done.stdout == b"451 see http://list.test/\r\n"


def test_address_in_ipv6_form_is_the_one_of_ipv4(home: Home, names: DnsServer) -> None:
    done = run(home, names, "-t0", "-r", "list.test", TCPREMOTEIP="::ffff:127.0.0.1")
    assert done.stdout == b"451 see http://list.test/\r\n"
    assert done.stderr.startswith(b"rblsmtpd: ::ffff:127.0.0.1 pid ")


def test_client_that_reads_nothing_is_left_after_the_time(
    home: Home, names: DnsServer, tmp_path: Path
) -> None:
    """It would take 2 MB of replies."""
    (tmp_path / "commands").write_bytes(b"NOOP\n" * 100_000)
    read_end, write_end = os.pipe()
    with open(tmp_path / "commands") as commands:
        done = subprocess.run(
            [home.program("rblsmtpd"), "-t4", "true"],
            stdin=commands,
            stdout=write_end,
            stderr=subprocess.DEVNULL,
            env=environment(names, RBLSMTPD="no"),
            timeout=60,
            check=False,
        )
    assert done.returncode == 0
    os.close(write_end)
    assert os.read(read_end, 100).startswith(b"220 rblsmtpd.local\r\n250 ")
    os.close(read_end)


def test_refusal_that_spins_is_ended_by_a_signal(tmp_path: Path) -> None:
    """As an interpreter without memory may; SIGALRM does it, whatever was inherited."""
    script = (
        "import signal\n"
        "signal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
        "from pytools.base import peer\n"
        "from pytools.commands import rblsmtpd\n"
        "def spin(self, data):\n"
        "    while True: pass\n"
        "peer.GRACE_SECONDS = 1\n"
        "rblsmtpd.Session.receive = spin\n"
        "rblsmtpd.main([b'rblsmtpd', b'-t4', b'true'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=b"QUIT\r\n",
        capture_output=True,
        env={"PYTHONPATH": ROOT, "RBLSMTPD": "no"},
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGALRM
    assert done.stdout == b"220 rblsmtpd.local\r\n"


def test_time_limit_beyond_what_can_be_waited_for_is_one(
    home: Home, names: DnsServer
) -> None:
    done = run(home, names, "-t", "99999999999", RBLSMTPD="no")
    assert (done.returncode, done.stdout) == (0, b"220 rblsmtpd.local\r\n")
