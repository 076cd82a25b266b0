"""qmail-smtpd as a process: descriptors, exit codes, control files, limits."""

from __future__ import annotations

import os
import re
import resource
import smtplib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.conftest import tool
from tests.support.smtphome import Home
from tests.support.until import until

MAIL = b"MAIL FROM:<s@a.example>\r\n"
RCPT = b"RCPT TO:<r@ok.example>\r\n"
BEGIN = MAIL + RCPT + b"DATA\r\n"
MESSAGE = BEGIN + b"Subject: x\r\n\r\n..hi\r\n.\r\n"
QUIT = b"QUIT\r\n"
LIMIT = 5_000_000


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def codes(output: bytes) -> list[bytes]:
    assert output.endswith(b"\r\n")
    return [line[:3] for line in output.split(b"\r\n")[:-1]]


@contextmanager
def session(home: Home, **more: str) -> Iterator[tuple[socket.socket, int]]:
    """A running qmail-smtpd on a TCP connection; its pid."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    client.settimeout(20)
    process = subprocess.Popen(
        [home.program("qmail-smtpd")],
        stdin=server.fileno(),
        stdout=server.fileno(),
        env=home.environment(**more),
        cwd="/",
    )
    server.close()
    try:
        yield client, process.pid
        client.close()
        process.wait(20)
    finally:
        client.close()
        process.kill()
        process.wait()


def test_smtpd_message_is_queued_with_received_line(home: Home) -> None:
    before = int(time.time())
    done = home.smtpd(b"HELO there\r\n" + MESSAGE + QUIT, TCPREMOTEINFO="joe")
    assert (done.returncode, done.stderr) == (0, b"")
    assert codes(done.stdout) == b"220 250 250 250 354 250 221".split()
    accepted = re.search(rb"250 ok (\d+) qp (\d+)\r\n", done.stdout)
    assert accepted is not None
    assert before <= int(accepted[1]) <= time.time()
    [(message, envelope)] = home.stored()
    assert (home.path / f"store/{int(accepted[2])}.message").exists()
    assert envelope == b"Fs@a.example\0Tr@ok.example\0\0"
    received, _, rest = message.partition(b" -0000\n")
    assert received.startswith(
        b"Received: from unknown (HELO there) (joe@192.0.2.1)\n"
        b"  by me.example with SMTP; "
    )
    assert rest == b"Subject: x\n\n.hi\n"


@pytest.mark.parametrize(
    ("data", "status"), [(QUIT, 0), (b"", 1), (b"NOOP\r\n", 1), (BEGIN, 1)]
)
def test_smtpd_exit_status_is_0_after_quit_only(
    home: Home, data: bytes, status: int
) -> None:
    assert home.smtpd(data).returncode == status
    assert home.stored() == []


def test_smtpd_bare_line_feed_queues_nothing(home: Home) -> None:
    done = home.smtpd(BEGIN + b"a\nb\r\n.\r\n" + QUIT)
    assert done.returncode == 1
    assert codes(done.stdout)[-1] == b"451"
    assert home.stored() == []


@pytest.mark.parametrize(
    ("status", "code"), [("11", b"554"), ("31", b"554"), ("53", b"451"), ("91", b"451")]
)
def test_smtpd_queue_program_refuses_code_says_so(
    home: Home, status: str, code: bytes
) -> None:
    done = home.smtpd(MESSAGE + QUIT, QQ_STATUS=status)
    assert codes(done.stdout)[-2:] == [code, b"221"]
    assert re.search(code + rb" .*\(#\d\.\d\.\d\)\r\n", done.stdout)


def test_smtpd_queue_program_own_words_are_passed_on(home: Home) -> None:
    done = home.smtpd(MESSAGE + QUIT, QQ_STATUS="82", QQ_TEXT="Dspam (#5.7.1)")
    assert b"\r\n554 spam (#5.7.1)\r\n" in done.stdout


def test_smtpd_relayclient_even_empty_allows_and_appends(home: Home) -> None:
    data = MAIL + b"RCPT TO:<r@elsewhere>\r\n" + QUIT
    assert codes(home.smtpd(data).stdout)[2] == b"553"
    assert codes(home.smtpd(data, RELAYCLIENT="").stdout)[2] == b"250"
    home.smtpd(MESSAGE + QUIT, RELAYCLIENT=".via")
    assert home.stored()[0][1] == b"Fs@a.example\0Tr@ok.example.via\0\0"


def test_smtpd_badmailfrom_is_refused_at_rcpt(home: Home) -> None:
    home.control(badmailfrom=b"s@a.example\n@bad.example\n")
    for sender in (b"s@A.example", b"x@bad.example"):
        done = home.smtpd(b"MAIL FROM:<%b>\r\n" % sender + RCPT + QUIT)
        assert codes(done.stdout) == b"220 250 553 221".split()
    done = home.smtpd(b"MAIL FROM:<y@a.example>\r\n" + RCPT + QUIT)
    assert codes(done.stdout) == b"220 250 250 221".split()


@pytest.mark.parametrize(
    ("control", "environment", "code"),
    [
        (b"10", {}, b"552"),
        (b"10", {"DATABYTES": "0"}, b"250"),
        (b"0", {"DATABYTES": "10"}, b"552"),
        (b"15", {}, b"552"),
        (b"16", {}, b"250"),
        (b"10", {"DATABYTES": "none"}, b"250"),
    ],
)
def test_smtpd_databytes_limits_what_is_stored(
    home: Home, control: bytes, environment: dict[str, str], code: bytes
) -> None:
    home.control(databytes=control)
    done = home.smtpd(MESSAGE + QUIT, **environment)
    assert codes(done.stdout)[-2] == code
    assert len(home.stored()) == (code == b"250")


def test_smtpd_localiphost_replaces_own_address(home: Home) -> None:
    home.control(localiphost=b"ok.example\n")
    data = MAIL + b"RCPT TO:<r@[127.0.0.1]>\r\nDATA\r\n.\r\n" + QUIT
    assert home.smtpd(data).returncode == 0
    assert home.stored()[0][1] == b"Fs@a.example\0Tr@ok.example\0\0"


@pytest.mark.parametrize("name", ["me", "rcpthosts", "badmailfrom", "databytes"])
def test_smtpd_unreadable_control_file_is_421(home: Home, name: str) -> None:
    file = home.path / "control" / name
    file.unlink(missing_ok=True)
    file.mkdir()
    done = home.smtpd(QUIT)
    assert done.returncode == 1
    assert done.stdout == b"421 unable to read controls (#4.3.0)\r\n"


def test_smtpd_without_a_name_refuses_to_work(home: Home) -> None:
    (home.path / "control/me").unlink()
    assert home.smtpd(QUIT).stdout.startswith(b"421 ")
    home.control(smtpgreeting=b"mail.example here\n")
    done = home.smtpd(QUIT)
    assert done.stdout == (b"220 mail.example here ESMTP\r\n221 mail.example here\r\n")


def test_smtpd_broken_morercpthosts_is_421_when_needed(home: Home) -> None:
    home.control(**{"morercpthosts.cdb": b"x" * 4000})
    done = home.smtpd(MAIL + RCPT + b"RCPT TO:<r@other>\r\n" + QUIT)
    assert done.returncode == 1
    assert codes(done.stdout) == b"220 250 250 421".split()


@pytest.mark.parametrize("data", [b"", BEGIN + b"a\r\n"])
def test_smtpd_silent_client_times_out(home: Home, data: bytes) -> None:
    home.control(timeoutsmtpd=b"1\n")
    with session(home) as (client, _):
        client.sendall(data)
        replies = b""
        while chunk := client.recv(4096):
            replies += chunk
        assert replies.endswith(b"\r\n451 timeout (#4.4.2)\r\n")
    assert home.stored() == []


def test_smtpd_client_that_does_not_read_times_out(home: Home) -> None:
    home.control(timeoutsmtpd=b"1\n")
    with session(home) as (client, pid):
        client.setblocking(False)
        end = time.monotonic() + 20
        while _is_running(pid):
            assert time.monotonic() < end
            try:
                client.send(b"HELP\r\n" * 1000)
            except BlockingIOError:
                pass
            except OSError:
                break
        until(lambda: not _is_running(pid))


def _is_running(pid: int) -> bool:
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[0] != b"Z"


def test_smtpd_pipelined_replies_come_in_one_piece(home: Home) -> None:
    with session(home) as (client, _):
        until(lambda: client.recv(1000, socket.MSG_PEEK).endswith(b"\r\n"))
        client.recv(1000)
        client.sendall(MAIL + RCPT + b"NOOP\r\n")
        assert client.recv(1000) == b"250 ok\r\n" * 3


def test_smtpd_trickle_of_bytes_is_a_whole_session(home: Home) -> None:
    with session(home) as (client, _):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in MESSAGE + QUIT:
            client.send(bytes([byte]))
        replies = b""
        while chunk := client.recv(4096):
            replies += chunk
    assert codes(replies) == b"220 250 250 354 250 221".split()
    assert home.stored()[0][0].endswith(b"Subject: x\n\n.hi\n")


def test_smtpd_two_sessions_on_one_process_share_nothing(home: Home) -> None:
    script = (
        "import posix, sys\n"
        "from pytools.base import runtime\n"
        "from pytools.base.environment import environ\n"
        "from qmail.commands import qmail_smtpd\n"
        "runtime.home = sys.argv[1].encode()\n"
        "before = posix.listdir('/proc/self/fd')\n"
        "first = qmail_smtpd.main([b'qmail-smtpd'])\n"
        "environ.pop(b'RELAYCLIENT')\n"
        "posix.dup2(int(sys.argv[2]), 0)\n"
        "second = qmail_smtpd.main([b'qmail-smtpd'])\n"
        "assert before == posix.listdir('/proc/self/fd')\n"
        "sys.exit(10 * first + second)\n"
    )
    elsewhere = b"RCPT TO:<r@elsewhere>\r\n"
    read, write = os.pipe()
    os.write(write, elsewhere + MAIL + elsewhere + QUIT)
    os.close(write)
    done = subprocess.run(
        [sys.executable, "-c", script, home.path, str(read)],
        input=b"HELO first\r\n" + MAIL + elsewhere + b"DATA\r\na\r\n",
        pass_fds=[read],
        capture_output=True,
        timeout=60,
        check=False,
        env=home.environment(RELAYCLIENT="", PYTHONPATH=os.getcwd()),
    )
    os.close(read)
    assert (done.returncode, done.stderr) == (10, b"")
    expected = b"220 250 250 250 354 220 503 250 553 221"
    assert codes(done.stdout) == expected.split()


FLOODS = {
    "command line": (b"", b"x" * 32768, 100_000_000, b"421"),
    "recipients": (MAIL, RCPT * 1000, 24_000_000, b"421"),
    "header line": (BEGIN + b"Subject: ", b"x" * 32768, 100_000_000, b"250"),
    "many headers": (BEGIN, b"a: b\r\n" * 1000, 20_000_000, b"250"),
    "commands": (b"", b"NOOP\r\n" * 1000, 6_000_000, b"221"),
}


@pytest.mark.parametrize(
    ("start", "chunk", "total", "last"), FLOODS.values(), ids=[*FLOODS]
)
def test_smtpd_flood_under_softlimit_ends_in_little_time(
    home: Home, start: bytes, chunk: bytes, total: int, last: bytes
) -> None:
    ending = b"\r\n.\r\n" if start.startswith(BEGIN) else QUIT
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    replies = bytearray()
    with subprocess.Popen(
        [home.program("softlimit"), f"-m{LIMIT}", home.program("qmail-smtpd")],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=home.environment(QMAILQUEUE=_swallow(home)),
        cwd="/",
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        reader = threading.Thread(target=_keep_tail, args=(process.stdout, replies))
        reader.start()
        try:
            process.stdin.write(start)
            for _ in range(total // len(chunk)):
                process.stdin.write(chunk)
            process.stdin.write(ending)
        except BrokenPipeError:
            pass
        process.stdin.close()
        try:
            status = process.wait(30)
        finally:
            process.kill()
            reader.join(20)
        assert process.stderr.read() == b""
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < 15
    assert codes(bytes(replies))[-1] == last
    assert status == (0 if last == b"221" else 1)
    if last == b"421":
        assert replies.endswith(b"421 out of memory (#4.3.0)\r\n")


def _keep_tail(stream: IO[bytes], tail: bytearray) -> None:
    while chunk := stream.read(65536):
        tail += chunk
        del tail[:-200]


def _swallow(home: Home) -> str:
    program = home.path / "bin/swallow"
    program.write_text("#!/bin/sh\ncat >/dev/null\ncat <&1 >/dev/null\n")
    program.chmod(0o755)
    return str(program)


@contextmanager
def listening(home: Home, sessions: int) -> Iterator[int]:
    """A port that serves so many sessions, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pid = os.fork()
        if pid == 0:
            try:
                for _ in range(sessions):
                    peer, _ = listener.accept()
                    subprocess.run(
                        [home.program("qmail-smtpd")],
                        stdin=peer.fileno(),
                        stdout=peer.fileno(),
                        env=home.environment(),
                        check=False,
                    )
                    peer.close()
            finally:
                os._exit(0)
        try:
            yield listener.getsockname()[1]
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)


def test_smtpd_smtplib_sends_through_it(home: Home) -> None:
    with listening(home, 1) as port:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            refused = client.sendmail(
                "s@a", ["r@ok.example", "r@no.example"], b"Subject: x\r\n\r\n.y\r\n"
            )
            assert list(refused) == ["r@no.example"]
            assert client.has_extn("pipelining")
            assert client.has_extn("8bitmime")
    [(message, envelope)] = home.stored()
    assert message.endswith(b"Subject: x\n\n.y\n")
    assert envelope == b"Fs@a\0Tr@ok.example\0\0"


def test_smtpd_swaks_sends_through_it(home: Home) -> None:
    swaks = tool("swaks", "swaks")
    with listening(home, 1) as port:
        done = subprocess.run(
            [
                *(swaks, "--server", f"127.0.0.1:{port}", "--helo", "swaks.example"),
                *("--from", "s@a", "--to", "r@ok.example", "--body", "line\\n.dot\\n"),
            ],
            capture_output=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    [(message, envelope)] = home.stored()
    assert b"(HELO swaks.example)" in message
    assert b"\n.dot\n" in message
    assert envelope == b"Fs@a\0Tr@ok.example\0\0"
