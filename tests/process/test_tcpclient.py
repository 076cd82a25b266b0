"""tcpclient and the small clients as processes: IPv6, the wrapped, the slow, the large."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytools.process import launcher
from tests.conftest import CHECKOUT
from tests.support import small_servers
from tests.support.dnsserver import serving
from tests.support.small_servers import say
from tests.support.until import until

SHOW = ["sh", "-c", 'env | grep -E "^(PROTO|TCP)" | sort; cat <&6']

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="module")
def launchers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the programs that these tests run."""
    directory = tmp_path_factory.mktemp("bin")
    for name in (
        *("tcpclient", "tcpserver", "tcpcat", "who@", "http@", "mconnect"),
        "mconnect-io",
    ):
        (directory / name).write_bytes(launcher.render(name.encode(), b"/none"))
        (directory / name).chmod(0o755)
    return directory


@pytest.fixture
def run(launchers: Path, tmp_path: Path) -> Run:
    """Run a command and wait for its end."""

    def runs(
        *command: str, stdin: bytes = b"", path: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess[bytes]:
        first = f"{path}:" if path else ""
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            timeout=30,
            env={"PATH": f"{first}{launchers}:/usr/bin:/bin", **env},
            cwd=tmp_path,
            check=False,
        )

    return runs


@pytest.fixture(scope="module")
def ip6() -> Iterator[str]:
    """The port of a server on ::1 and 127.0.0.1."""
    with contextlib.ExitStack() as stack:
        while True:
            port = stack.enter_context(small_servers.serving(say(b"hi"), "::1"))
            four = small_servers.serving(say(b"hi"), "127.0.0.1", port)
            # Somebody else may have the port of this number there.
            with contextlib.suppress(OSError):
                stack.enter_context(four)
                break
        yield str(port)


@pytest.mark.parametrize(
    ("options", "host"),
    [("", "::1"), ("-6", "0"), ("-6", "[::1]"), ("-i ::1", "0::1")],
)
def test_ipv6_address_is_connected_to(
    run: Run, ip6: str, options: str, host: str
) -> None:
    stale = {"TCPREMOTEINFO": "x", "TCP6REMOTEHOST": "x", "TCP6INTERFACE": "x"}
    words = ["-v", "-HRl0", *options.split(), host, ip6, *SHOW]
    done = run("tcpclient", *words, **stale)
    lines = done.stdout.decode().splitlines()
    port = next(line for line in lines if line.startswith("TCPLOCALPORT="))[13:]
    assert lines == [
        "PROTO=TCP6",
        *("TCP6LOCALHOST=0", "TCP6LOCALIP=::1", f"TCP6LOCALPORT={port}"),
        *("TCP6REMOTEIP=::1", f"TCP6REMOTEPORT={ip6}"),
        *("TCPLOCALHOST=0", "TCPLOCALIP=::1", f"TCPLOCALPORT={port}"),
        *("TCPREMOTEIP=::1", f"TCPREMOTEPORT={ip6}"),
        "hi",
    ]
    assert done.stderr == f"tcpclient: connected to ::1 port {ip6}\n".encode()


def test_mapped_address_is_one_of_ipv4(run: Run, ip6: str) -> None:
    done = run("tcpclient", "-HRl0", "::ffff:127.0.0.1", ip6, *SHOW)
    assert b"PROTO=TCP\n" in done.stdout
    assert b"TCPREMOTEIP=127.0.0.1\n" in done.stdout
    assert b"TCP6" not in done.stdout


def test_family_follows_names_and_options(run: Run, ip6: str) -> None:
    zone = {
        ("both.test.", "A"): ["127.0.0.1"],
        ("both.test.", "AAAA"): ["::1"],
        ("six.test.", "AAAA"): ["::1"],
        ("1.0.0.127.in-addr.arpa.", "PTR"): ["four.test."],
        ("1." + 31 * "0." + "ip6.arpa.", "PTR"): ["six.test."],
    }
    show = ["sh", "-c", "echo $PROTO $TCPREMOTEHOST $TCP6LOCALHOST"]
    with serving(zone) as names:
        dns = {"DNSCACHEIP": f"127.0.0.1:{names.port}"}
        for option, host, said in (
            ("-R", "both.test", b"TCP four.test\n"),
            ("-R6", "both.test", b"TCP6 six.test six.test\n"),
            ("-R", "six.test", b"TCP6 six.test six.test\n"),
        ):
            assert run("tcpclient", option, host, ip6, *show, **dns).stdout == said
        done = run("tcpclient", "-4", "six.test", ip6, "true", **dns)
    assert done.returncode == 111
    assert done.stderr == b"tcpclient: fatal: no IP address for six.test\n"


def test_interface_of_an_address_must_exist(run: Run, ip6: str) -> None:
    done = run("tcpclient", "-HRl0", "fe80::1%nosuch0", ip6, "true")
    assert done.returncode == 111
    start = f"tcpclient: unable to connect to fe80::1%nosuch0 port {ip6}: "
    assert done.stderr.startswith(start.encode())


FAILED_LOOK_UPS = {
    "SERVFAIL": "temporary failure",
    "REFUSED": "temporary failure",
    "NOTIMP": "temporary failure",
    "FORMERR": "temporary failure",
}
"""What the name server answers, and how both originals call it."""
FIND = "temporarily unable to figure out IP address for broken.test"


@pytest.mark.parametrize("program", ["tcpclient", "tcpserver"])
@pytest.mark.parametrize("code", FAILED_LOOK_UPS)
def test_failed_look_up_is_said_as_by_the_original(
    run: Run, program: str, code: str
) -> None:
    with serving({("broken.test.", "RCODE"): [code]}) as names:
        dns = {"DNSCACHEIP": f"127.0.0.1:{names.port}"}
        done = run(program, "broken.test", "1", "true", **dns)
    assert done.returncode == 111
    said = f"{program}: fatal: {FIND}: {FAILED_LOOK_UPS[code]}\n"
    assert done.stderr.decode() == said


@pytest.mark.parametrize("program", ["tcpclient", "tcpserver"])
def test_look_up_where_nobody_listens_is_said_as_by_the_original(
    run: Run, program: str
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        # Connected to another: what comes from elsewhere is refused.
        taken.connect(("127.0.0.1", 9))
        dns = {"DNSCACHEIP": "{}:{}".format(*taken.getsockname())}
        done = run(program, "broken.test", "1", "true", **dns)
    assert done.returncode == 111
    said = f"{program}: fatal: {FIND}: connection refused\n"
    assert done.stderr.decode() == said


def test_address_needs_no_dns_library() -> None:
    code = """
from pytools.ucspi.hosts import addresses
assert addresses(b"127.0.0.1") == ["127.0.0.1"]
assert not {"dns", "socket"} & set(sys.modules)
"""
    start = f"import sys; sys.path[:0] = {launcher.search_path()!r}\n"
    subprocess.run(
        [sys.executable, launcher.FLAGS, "-c", start + code],
        check=True,
        timeout=30,
        cwd=CHECKOUT,
    )


def test_tcpclient_on_path_is_the_one_that_is_run(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tcpclient").write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    (tmp_path / "tcpclient").chmod(0o755)
    start = b"-RHl0|--|h.example|"
    assert run("who@", "h.example", path=tmp_path).stdout.startswith(start + b"11|sh|")
    done = run("tcpcat", "h.example", path=tmp_path)
    assert done.stdout.startswith(start + b"17|sh|")
    done = run("mconnect", "h.example", "587", path=tmp_path)
    assert done.stdout == start + b"587|mconnect-io|"


def test_answer_that_nobody_reads_ends_the_client(run: Run) -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.0 200\r\n\r\n")
        while True:
            connection.sendall(b"line\r\n" * 1000)

    with small_servers.serving(endless) as port:
        line = f"{{ http@ 127.0.0.1 x {port}; echo $? >status; }} | head -1"
        done = run("sh", "-c", f"{line}; cat status")
    assert done.stdout == b"line\n141\n"


class Talker:
    """mconnect-io, between a connection and two pipes."""

    def __init__(self, launchers: Path) -> None:
        self.peer, connection = socket.socketpair()
        self.input = os.pipe()
        self.output = os.pipe()
        # The shell takes no descriptor above 9 by its number.
        self.process = subprocess.Popen(
            ["sh", "-c", "exec mconnect-io 6<&0 7>&0 0<&2 2>/dev/null"],
            stdin=connection.fileno(),
            stdout=self.output[1],
            stderr=self.input[0],
            env={"PATH": f"{launchers}:/usr/bin:/bin"},
        )
        connection.close()
        os.close(self.input[0])
        os.close(self.output[1])

    def close(self) -> None:
        """End it, if it has not ended."""
        self.process.kill()
        self.process.wait(30)
        self.peer.close()
        for fd in (self.input[1], self.output[0]):
            with contextlib.suppress(OSError):
                os.close(fd)


@pytest.fixture
def talker(launchers: Path) -> Iterator[Talker]:
    found = Talker(launchers)
    yield found
    found.close()


def read_to_end(fd: int) -> bytes:
    with open(fd, "rb", closefd=False) as stream:
        return stream.read()


def test_mconnect_io_copies_both_ways_at_once_and_loses_nothing(
    talker: Talker,
) -> None:
    lines = b"".join(b"line %d\n" % number for number in range(200_000))
    got: list[bytes] = []

    def type_in() -> None:
        with open(talker.input[1], "wb", closefd=False) as stream:
            stream.write(lines)

    reading = threading.Thread(target=lambda: got.append(read_to_end(talker.output[0])))
    typing = threading.Thread(target=type_in)
    sending = threading.Thread(target=talker.peer.sendall, args=(lines,))
    talker.peer.settimeout(60)
    for thread in (reading, typing, sending):
        thread.start()
    expected = lines.replace(b"\n", b"\r\n")
    received = bytearray()
    while len(received) < len(expected):
        chunk = talker.peer.recv(65536)
        assert chunk
        received += chunk
    assert bytes(received) == expected
    sending.join(30)
    talker.peer.shutdown(socket.SHUT_WR)
    reading.join(30)
    typing.join(30)
    assert got == [lines]
    assert talker.process.wait(30) == 0


def test_mconnect_io_sends_while_its_output_is_stuck(talker: Talker) -> None:
    talker.peer.setblocking(False)
    sent = 0

    def is_stuck() -> bool:
        nonlocal sent
        try:
            sent += talker.peer.send(b"x" * 65536)
        except BlockingIOError:
            with open(f"/proc/{talker.process.pid}/wchan") as file:
                return "poll" in file.read()
        return False

    until(is_stuck, what="a full pipe")
    os.write(talker.input[1], b"still here\n")
    talker.peer.settimeout(30)
    assert talker.peer.recv(100) == b"still here\r\n"
    # What came before the end is not lost, however late it is read.
    talker.peer.shutdown(socket.SHUT_WR)
    assert len(read_to_end(talker.output[0])) == sent
    assert talker.process.wait(30) == 0


def test_mconnect_io_drops_what_nobody_takes_and_goes_on(talker: Talker) -> None:
    os.close(talker.output[0])
    talker.peer.settimeout(30)
    for _ in range(3):
        talker.peer.sendall(b"x" * 10_000)
        os.write(talker.input[1], b"still here\n")
        assert talker.peer.recv(100) == b"still here\r\n"
    talker.peer.shutdown(socket.SHUT_WR)
    assert talker.process.wait(30) == 0


def test_mconnect_io_stays_when_its_input_ends(talker: Talker) -> None:
    os.write(talker.input[1], b"no newline")
    os.close(talker.input[1])
    talker.peer.settimeout(30)
    assert talker.peer.recv(100) == b"no newline"
    talker.peer.sendall(b"answer")
    assert os.read(talker.output[0], 100) == b"answer"
    talker.peer.close()
    assert talker.process.wait(30) == 0
