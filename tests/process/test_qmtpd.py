"""qmail-qmtpd as a process: descriptors, exit codes, control files, limits."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytools.base import runtime
from pytools.base.peer import DeadlinePeer, OutOfTime
from qmail.commands import qmail_qmtpd
from tests.support.netstring_dialogue import ns
from tests.support.netstringhome import netstring_home
from tests.support.sessions import databytes_rows, flood, two_on_one_process
from tests.support.smtphome import Home
from tests.support.until import until
from tests.unit.qmtp.dialogue import answers, package

LF = b"\nSubject: x\n\nhi\n"
ONE = package(LF, b"s@a", (b"r@ok.example",))
LIMIT = 1_500_000


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return netstring_home(tmp_path)


def test_qmtpd_messages_are_queued_with_received_line(home: Home) -> None:
    before = int(time.time())
    recipients = (b"r@OK.example", b"r@no", b"local")
    data = package(b"\r" + LF[1:].replace(b"\n", b"\r\n"), b"s@a", recipients)
    done = home.run("qmail-qmtpd", data + ONE, TCPREMOTEINFO="joe")
    assert (done.returncode, done.stderr) == (0, b"")
    said = answers(done.stdout)
    assert [text[:1] for text in said] == [b"K", b"D", b"K", b"K"]
    assert b"(#5.7.1)" in said[1]
    accepted = re.fullmatch(rb"Kok (\d+) qp (\d+)", said[0])
    assert accepted is not None
    assert before <= int(accepted[1]) <= time.time()
    stored = (home.path / f"store/{int(accepted[2])}.message").read_bytes()
    received, _, rest = stored.partition(b" -0000\n")
    assert received.startswith(
        b"Received: from unknown (joe@192.0.2.1)\n  by me.example with QMTP; "
    )
    assert rest == LF[1:]
    envelopes = sorted(envelope for _, envelope in home.stored())
    assert envelopes == [
        b"Fs@a\0Tr@OK.example\0Tlocal\0\0",
        b"Fs@a\0Tr@ok.example\0\0",
    ]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 0),
        (b"17", 0),
        (ONE[:-1], 0),
        (b"EHLO x\r\n", 100),
        (b"0:,", 100),
        (ONE[:-1] + b";", 100),
        (b"99999999999:", 111),
    ],
)
def test_qmtpd_exit_status_says_who_is_wrong_and_nothing_is_queued(
    home: Home, data: bytes, status: int
) -> None:
    done = home.run("qmail-qmtpd", data)
    assert (done.returncode, done.stdout, done.stderr) == (status, b"", b"")
    assert home.stored() == []


@pytest.mark.parametrize(
    ("status", "letter"), [("11", b"D"), ("31", b"D"), ("53", b"Z"), ("91", b"Z")]
)
def test_qmtpd_queue_program_refuses_code_says_so(
    home: Home, status: str, letter: bytes
) -> None:
    [said] = answers(home.run("qmail-qmtpd", ONE, QQ_STATUS=status).stdout)
    assert said[:1] == letter


def test_qmtpd_relayclient_even_empty_allows_and_appends(home: Home) -> None:
    data = package(LF, b"s@a", (b"r@elsewhere",))
    assert answers(home.run("qmail-qmtpd", data).stdout)[0][:1] == b"D"
    done = home.run("qmail-qmtpd", data, RELAYCLIENT="")
    assert answers(done.stdout)[0][:1] == b"K"
    home.run("qmail-qmtpd", data, RELAYCLIENT=".via")
    assert {envelope for _, envelope in home.stored()} == {
        b"Fs@a\0Tr@elsewhere\0\0",
        b"Fs@a\0Tr@elsewhere.via\0\0",
    }


@pytest.mark.parametrize(
    ("control", "environment", "fits"), databytes_rows(len(LF[1:]))
)
def test_qmtpd_databytes_limits_what_is_stored(
    home: Home, control: bytes, environment: dict[str, str], fits: bool
) -> None:
    home.control(databytes=control)
    done = home.run("qmail-qmtpd", ONE, **environment)
    assert answers(done.stdout)[0][:1] == (b"K" if fits else b"D")
    assert len(home.stored()) == fits


@pytest.mark.parametrize("name", ["rcpthosts", "databytes"])
def test_qmtpd_unreadable_control_file_is_111(home: Home, name: str) -> None:
    home.make_unreadable(name)
    done = home.run("qmail-qmtpd", ONE)
    assert (done.returncode, done.stdout) == (111, b"")


def test_qmtpd_broken_morercpthosts_is_111_when_needed(home: Home) -> None:
    home.control(**{"morercpthosts.cdb": b"x" * 4000})
    assert home.run("qmail-qmtpd", ONE).returncode == 0
    data = package(LF, b"s", (b"r@other",))
    assert home.run("qmail-qmtpd", data).returncode == 111


def test_qmtpd_client_that_waits_for_each_answer_gets_it(home: Home) -> None:
    ours, theirs = socket.socketpair()
    with (
        ours,
        subprocess.Popen(
            [home.program("qmail-qmtpd")],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            env=home.environment(),
        ) as process,
    ):
        theirs.close()
        ours.settimeout(20)
        for _ in range(2):
            ours.sendall(ONE)
            assert answers(ours.recv(100))[0].startswith(b"Kok ")
        ours.close()
        assert process.wait(20) == 0


@pytest.mark.parametrize("data", [b"", b"50:\nabc"])
def test_qmtpd_silent_client_is_left_when_time_is_over(
    home: Home, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(qmail_qmtpd, "LIFE_SECONDS", 0.1)
    monkeypatch.setattr(runtime, "home", os.fsencode(home.path))
    for name, value in home.environment().items():
        monkeypatch.setitem(os.environb, name.encode(), value.encode())
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        pid = os.fork()
        if not pid:
            try:
                os.dup2(theirs.fileno(), 0)
                os.dup2(theirs.fileno(), 1)
                os._exit(qmail_qmtpd.main([b"qmail-qmtpd"]))
            finally:
                os._exit(99)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 111
    assert home.stored() == []


def test_qmtpd_two_sessions_on_one_process_share_nothing(home: Home) -> None:
    elsewhere = package(LF, b"s", (b"r@elsewhere",))
    first = elsewhere + elsewhere[:-1] + b";"
    statuses, said = two_on_one_process(home, "qmail-qmtpd", first, elsewhere)
    assert statuses == [100, 0]
    assert [text[:1] for text in answers(said)] == [b"K", b"D"]
    assert len(home.stored()) == 1


def test_qmtpd_peer_that_never_pauses_is_left_when_time_is_over() -> None:
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.dup2(read, 0)
            peer = DeadlinePeer(0.2)
            try:
                while peer.receive():
                    pass
            except OutOfTime:
                os._exit(7)
        finally:
            os._exit(99)
    os.close(read)
    until(lambda: _is_cut_off(write))
    os.close(write)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def _is_cut_off(write: int) -> bool:
    try:
        for _ in range(1000):
            os.write(write, b"x" * 4096)
    except BrokenPipeError:
        return True
    return False


FLOODS = {
    "zeros": (b"", b"0" * 32768, 2_000_000, 0),
    "message": (b"199999999:\r", b"x\r\n" * 10000, 60_000_000, 0),
    "sender": (ns(LF) + b"199999999:", b"x" * 32768, 60_000_000, 0),
    "recipients": (ns(LF) + b"1:s,199999999:", b"1:r," * 8000, 24_000_000, 111),
}


@pytest.mark.parametrize(
    ("start", "chunk", "total", "status"), FLOODS.values(), ids=[*FLOODS]
)
def test_qmtpd_flood_under_softlimit_ends_in_little_time(
    home: Home, start: bytes, chunk: bytes, total: int, status: int
) -> None:
    chunks = (start, chunk, total, b"")
    ended, _ = flood(home, "qmail-qmtpd", LIMIT, chunks, RELAYCLIENT="")
    assert ended == status


def test_qmtpd_ends_by_signal_only_when_it_spins(home: Home) -> None:
    """SIGALRM has its default action, whatever the caller left."""
    script = (
        "import signal, sys\n"
        "from pytools.base import runtime\n"
        "from qmail.commands import qmail_qmtpd\n"
        "runtime.home = sys.argv[1].encode()\n"
        "signal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
        "qmail_qmtpd.main([b'qmail-qmtpd'])\n"
        "assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL\n"
        "assert signal.alarm(0) == 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, home.path],
        stdin=subprocess.DEVNULL,
        env=home.environment(PYTHONPATH=os.getcwd()),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
