"""qmail-smtpd as a process: descriptors, exit codes, control files, limits."""

from __future__ import annotations

import re
import smtplib
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import tool
from tests.support.netns import own_network
from tests.support.sessions import (
    databytes_rows,
    flood,
    listening,
    two_on_one_process,
)
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
def session(
    home: Home, data: bytes = b"", **more: str
) -> Iterator[tuple[socket.socket, int]]:
    """A running qmail-smtpd on a TCP connection; its pid.

    ``data`` has been sent before it begins.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    client.settimeout(20)
    client.sendall(data)
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
    done = home.smtpd(BEGIN + b"a\nb\r\n.\r\n" + MESSAGE + QUIT)
    assert done.returncode == 1
    assert codes(done.stdout) == b"220 250 250 354 550".split()
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
    ("control", "environment", "fits"), databytes_rows(len(b"Subject: x\n\n.hi\n"))
)
def test_smtpd_databytes_limits_what_is_stored(
    home: Home, control: bytes, environment: dict[str, str], fits: bool
) -> None:
    home.control(databytes=control)
    done = home.smtpd(MESSAGE + QUIT, **environment)
    assert codes(done.stdout)[-2] == (b"250" if fits else b"552")
    assert len(home.stored()) == fits


def test_smtpd_localiphost_replaces_own_address(home: Home) -> None:
    home.control(localiphost=b"ok.example\n")
    data = MAIL + b"RCPT TO:<r@[127.0.0.1]>\r\nDATA\r\n.\r\n" + QUIT
    assert home.smtpd(data).returncode == 0
    assert home.stored()[0][1] == b"Fs@a.example\0Tr@ok.example\0\0"


@pytest.mark.parametrize(
    "literal",
    [
        *("[127.0.0.1]", "[0.0.0.0]", "[IPv6:::1]", "[ipv6:0:0::1]", "[IPv6:::]"),
        *("[192.0.2.25]", "[IPv6:::ffff:192.0.2.25]"),
    ],
)
def test_smtpd_literal_of_this_machine_is_localiphost(home: Home, literal: str) -> None:
    home.control(localiphost=b"ok.example\n")
    data = MAIL + b"RCPT TO:<r@%b>\r\nDATA\r\n.\r\n" % literal.encode() + QUIT
    with own_network():
        done = home.smtpd(data, TCPLOCALIP="::ffff:192.0.2.25")
    assert done.returncode == 0
    assert home.stored()[0][1] == b"Fs@a.example\0Tr@ok.example\0\0"


@pytest.mark.parametrize(
    "literal", ["[192.0.2.26]", "[IPv6:2001:db8::1]", "[::1]", "[IPv6:127.0.0.1]"]
)
def test_smtpd_literal_of_another_is_subject_to_rcpthosts(
    home: Home, literal: str
) -> None:
    home.control(localiphost=b"ok.example\n", rcpthosts=b"ok.example\n")
    data = MAIL + b"RCPT TO:<r@%b>\r\n" % literal.encode() + QUIT
    environment = {"TCPLOCALIP": "2001:db8::25"}
    assert codes(home.smtpd(data, **environment).stdout)[2] == b"553"
    home.control(rcpthosts=literal.lower().encode())
    assert codes(home.smtpd(data, **environment).stdout)[2] == b"250"
    home.control(rcpthosts=b"ok.example\n")
    environment["RELAYCLIENT"] = ""
    assert codes(home.smtpd(data, **environment).stdout)[2] == b"250"


def test_smtpd_ipv6_client_is_in_received_as_it_is(home: Home) -> None:
    data = b"EHLO [IPv6:2001:db8::1]\r\n" + MESSAGE + QUIT
    home.smtpd(data, PROTO="TCP6", TCPREMOTEIP="2001:db8::1", TCPREMOTEINFO="joe")
    assert home.stored()[0][0].startswith(
        b"Received: from unknown (HELO ?IPv6:2001:db8::1?) (joe@2001:db8::1)\n"
        b"  by me.example with SMTP; "
    )


POSTMASTER = {
    b"<postmaster>": b"postmaster",
    b"<Postmaster>": b"Postmaster",
    b" <POSTMASTER>": b"POSTMASTER",
    b"postmaster": b"postmaster",
    b'<"postmaster">': b"postmaster",
    b"<@relay.example:postmaster>": b"postmaster",
    b"<postmaster@[127.0.0.1]>": b"postmaster@me.example",
    b"<PostMaster@[IPv6:::1]>": b"PostMaster@me.example",
    b"<postmaster@ME.example>": b"postmaster@ME.example",
}


@pytest.mark.parametrize(("argument", "address"), POSTMASTER.items())
def test_smtpd_postmaster_is_taken_whatever_rcpthosts_says(
    home: Home, argument: bytes, address: bytes
) -> None:
    home.control(rcpthosts=b"other.example\n")
    with own_network():
        done = home.smtpd(
            b"EHLO x\r\n"
            + MAIL
            + b"RCPT TO:%b\r\n" % argument
            + b"RCPT TO:<someone@me.example>\r\n"
            + b"RCPT TO:<postmaster@no.example>\r\n"
            + b"RCPT TO:<postmaster@[192.0.2.26]>\r\n"
            + b"DATA\r\n.\r\n"
            + QUIT
        )
    assert codes(done.stdout)[5:] == b"250 250 553 553 553 354 250 221".split()
    assert home.stored()[0][1] == b"Fs@a.example\0T%b\0\0" % address


@pytest.mark.parametrize(
    ("databytes", "size", "code"),
    [(b"100", b"100", b"250"), (b"100", b"101", b"552"), (b"0", b"101", b"250")],
)
def test_smtpd_announced_size_above_databytes_is_refused_at_mail(
    home: Home, databytes: bytes, size: bytes, code: bytes
) -> None:
    home.control(databytes=databytes)
    done = home.smtpd(b"EHLO x\r\nMAIL FROM:<> BODY=8BITMIME SIZE=%b\r\n" % size + QUIT)
    assert codes(done.stdout)[5] == code
    limit = b"" if databytes == b"0" else b" " + databytes
    assert b"\r\n250-SIZE%b\r\n250 8BITMIME\r\n" % limit in done.stdout


@pytest.mark.parametrize("name", ["me", "rcpthosts", "badmailfrom", "databytes"])
def test_smtpd_unreadable_control_file_is_421(home: Home, name: str) -> None:
    home.make_unreadable(name)
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
    with session(home, data) as (client, _):
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
    elsewhere = b"RCPT TO:<r@elsewhere>\r\n"
    first = b"HELO first\r\n" + MAIL + elsewhere + b"DATA\r\na\r\n"
    second = elsewhere + MAIL + elsewhere + QUIT
    statuses, said = two_on_one_process(home, "qmail-smtpd", first, second)
    assert statuses == [1, 0]
    expected = b"220 250 250 250 354 220 503 250 553 221"
    assert codes(said) == expected.split()


FLOODS = {
    "command line": (b"", b"x" * 32768, 100_000_000, b"500"),
    "message with bare LF": (BEGIN + b"\n", b"x" * 32768, 100_000_000, b"550"),
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
    chunks = (start, chunk, total, ending)
    status, replies = flood(home, "qmail-smtpd", LIMIT, chunks)
    assert codes(replies)[-1] == last
    assert status == (0 if last == b"221" else 1)
    if last == b"421":
        assert replies.endswith(b"421 out of memory (#4.3.0)\r\n")


def test_smtpd_smtplib_sends_through_it(home: Home) -> None:
    with listening(home, "qmail-smtpd", 1) as port:
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
    with listening(home, "qmail-smtpd", 1) as port:
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
