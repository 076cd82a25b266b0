"""qmail-qmqpc as a process: servers that work and that fail in every way, in turn."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytools.base import runtime
from qmail.commands import qmail_qmqpc
from tests.conftest import ORIGINALS, tool
from tests.support.netns import own_network
from tests.support.netstringhome import netstring_home
from tests.support.small_servers import Handler, serving
from tests.support.smtphome import Home
from tests.support.until import until
from tests.unit.qmqp.dialogue import package

TEXT = b"Subject: x\n\nhi\n"
ENVELOPE = b"Fs@a\0Tr@b\0Tq@c\0\0"
SENT = package(TEXT, b"s@a", (b"r@b", b"q@c"))
PORT = 628


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = netstring_home(tmp_path)
    home.control(qmqpservers=b"127.0.0.1\n127.0.0.2\n127.0.0.3\n")
    return home


@pytest.fixture
def network() -> Iterator[None]:
    with own_network():
        yield


def client(
    home: Home,
    message: bytes = TEXT,
    envelope: bytes = ENVELOPE,
    before: tuple[str, ...] = (),
) -> int:
    """Run qmail-qmqpc, which never says a word; its exit code."""
    read, write = os.pipe()
    os.write(write, envelope)
    os.close(write)
    done = subprocess.run(
        [*before, home.program("qmail-qmqpc")],
        input=message,
        stdout=read,
        stderr=subprocess.PIPE,
        env={"PATH": "/bin:/usr/bin"},
        cwd="/",
        timeout=60,
        check=False,
    )
    os.close(read)
    assert done.stderr == b""
    return done.returncode


class Server:
    """Remembers what it gets; answers with ``answer``, or does what else it says."""

    def __init__(self, answer: bytes = b"5:Kfine,", stop_after: int = 10**9) -> None:
        self.answer = answer
        self.stop_after = stop_after
        self.got: list[bytes] = []

    def __call__(self, peer: socket.socket) -> None:
        data = bytearray()
        while not data.endswith(b",,") and len(data) < self.stop_after:
            more = peer.recv(65536)
            if not more:
                break
            data += more
        self.got.append(bytes(data))
        peer.sendall(self.answer)


@contextlib.contextmanager
def servers(*handlers: Handler | None) -> Iterator[None]:
    """Servers on 127.0.0.1, .2, ...; None: nobody listens."""
    with contextlib.ExitStack() as stack:
        for number, handler in enumerate(handlers, 1):
            if handler is not None:
                stack.enter_context(serving(handler, f"127.0.0.{number}", PORT))
        yield


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"5:Kfine,", 0),
        (b"1:K", 0),
        (b"5:Znot ,", 71),
        (b"5:Dno no,", 31),
        (b"", 74),
        (b"3", 74),
        (b"220 Zed ESMTP\r\n", 74),
        (b"2:xK,", 74),
    ],
)
def test_qmqpc_exit_code_is_what_the_server_says(
    home: Home, network: None, answer: bytes, code: int
) -> None:
    server = Server(answer)
    with servers(server):
        assert client(home) == code
    assert server.got == [SENT]


def test_qmqpc_first_server_that_answers_is_the_only_one(
    home: Home, network: None
) -> None:
    second, third = Server(), Server()
    with servers(None, second, third):
        assert client(home) == 0
    assert (second.got, third.got) == ([SENT], [])


def test_qmqpc_server_that_cannot_now_is_followed_by_the_next(
    home: Home, network: None
) -> None:
    first, second = Server(b"5:Zfull,"), Server()
    with servers(first, second):
        assert client(home) == 0
    assert first.got == second.got == [SENT]


@pytest.mark.parametrize(
    ("answer", "code", "is_asked"),
    [
        (b"3:Dno,", 31, False),
        (b"3:Zno,", 0, True),
        (b"3:Kno,", 0, True),
        (b"3:", 0, True),
        (b"", 0, True),
    ],
)
def test_qmqpc_server_that_answers_before_the_end_is_heard(
    home: Home, network: None, answer: bytes, code: int, is_asked: bool
) -> None:
    """It hangs up in the midst of the message; a K then cannot be true."""

    def hasty(peer: socket.socket) -> None:
        # All that is on the way is taken, or the kernel's RST would throw the answer
        # away: the client waits while nothing is read.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.sendall(answer)
        peer.shutdown(socket.SHUT_RDWR)
        while peer.recv(65536):
            pass

    second = Server()
    with servers(hasty, second):
        assert client(home, b"x" * 30_000_000) == code
    assert bool(second.got) == is_asked


def test_qmqpc_server_that_refuses_for_good_ends_it(home: Home, network: None) -> None:
    second = Server()
    with servers(Server(b"3:Dno,"), second):
        assert client(home) == 31
    assert second.got == []


def test_qmqpc_server_that_dies_before_the_end_is_followed_by_the_next(
    home: Home, network: None
) -> None:
    # More than the kernel keeps for a reader that does not read.
    message = b"x" * 20_000_000
    dying, second = Server(b"", stop_after=1), Server()
    with servers(dying, second):
        assert client(home, message) == 0
    assert second.got == [package(message, b"s@a", (b"r@b", b"q@c"))]


@pytest.mark.parametrize("stop_after", [10**9, 0])
def test_qmqpc_server_that_dies_after_the_end_may_have_queued_it(
    home: Home, network: None, stop_after: int
) -> None:
    """The end of a small message is on its way at once, whether it is read or not."""
    second = Server()
    with servers(Server(b"", stop_after), second):
        assert client(home) == 74
    assert second.got == []


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([None, None, None], 73),
        ([None, b"1:Z,", None], 71),
        ([b"1:Z,", b"1:Z,", b"1:D,"], 31),
        ([b"1:Z,", None, b""], 74),
    ],
)
def test_qmqpc_no_server_takes_it_the_code_says_why(
    home: Home, network: None, answers: list[bytes | None], code: int
) -> None:
    with servers(*(None if a is None else Server(a) for a in answers)):
        assert client(home) == code


def in_this_process(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    *,
    connect: float = 20.0,
    silence: float = 20.0,
) -> int:
    """qmail-qmqpc in a child of this process, with less patience."""
    monkeypatch.setattr(qmail_qmqpc, "CONNECT_SECONDS", connect)
    monkeypatch.setattr(qmail_qmqpc, "SILENCE_SECONDS", silence)
    monkeypatch.setattr(runtime, "home", os.fsencode(home.path))
    message, envelope = os.pipe(), os.pipe()
    os.write(message[1], TEXT)
    os.write(envelope[1], ENVELOPE)
    os.close(message[1])
    pid = os.fork()
    if not pid:
        try:
            os.dup2(message[0], 0)
            os.dup2(envelope[0], 1)
            os._exit(qmail_qmqpc.main([b"qmail-qmqpc"]))
        finally:
            os._exit(99)
    for fd in (message[0], *envelope):
        os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_qmqpc_server_that_takes_all_and_is_silent_is_74(
    home: Home, network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = Server()
    # Connections wait in the listener's backlog, and with them what they bring.
    with socket.create_server(("127.0.0.1", PORT)), servers(None, second):
        assert in_this_process(home, monkeypatch, silence=0.2) == 74
    assert second.got == []


def test_qmqpc_host_that_does_not_answer_is_72_or_left_for_the_next(
    home: Home, network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.control(qmqpservers=b"127.0.0.1\n")
    with contextlib.ExitStack() as stack:
        # With its backlog full a listener drops what else comes.
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", PORT))
        listener.listen(0)
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(("127.0.0.1", PORT))
        until(
            lambda: in_this_process(home, monkeypatch, connect=0.2, silence=1.0) == 72
        )
        home.control(qmqpservers=b"127.0.0.1\n127.0.0.2\n")
        second = Server()
        with servers(None, second):
            assert in_this_process(home, monkeypatch, connect=0.2) == 0
    assert second.got == [SENT]


def test_qmqpc_lines_are_addresses_of_both_families(home: Home, network: None) -> None:
    home.control(
        qmqpservers=b"# ours\n\nmail.example\n1.2.3\n::g\n127.0.0.9\n::1 \n127.0.0.1\n"
    )
    server = Server()
    with serving(server, "::1", PORT):
        assert client(home) == 0
    home.control(qmqpservers=b"127.0.0.1:99 backup\n")
    with serving(server, "127.0.0.1", PORT):
        assert client(home) == 0
    assert server.got == [SENT, SENT]


@pytest.mark.parametrize(
    ("envelope", "code"),
    [(b"", 91), (b"Fs\0Tr\0", 91), (b"Tr\0\0", 91), (b"Fs\0x\0\0", 91)],
)
def test_qmqpc_bad_envelope_is_91(home: Home, envelope: bytes, code: int) -> None:
    assert client(home, envelope=envelope) == code


def test_qmqpc_without_usable_servers_is_55(home: Home) -> None:
    for text in (b"", b"# none\n", b"mail.example\n"):
        home.control(qmqpservers=text)
        assert client(home) == 55
    (home.path / "control/qmqpservers").unlink()
    assert client(home) == 55
    (home.path / "control").rename(home.path / "moved")
    assert client(home) == 55


def test_qmqpc_unreadable_descriptors_are_54(home: Home) -> None:
    for close in ("<&-", "</dev/null 1>&-"):
        done = subprocess.run(
            f"{home.program('qmail-qmqpc')} {close}", shell=True, check=False
        )
        assert done.returncode == 54, close


def test_qmqpc_message_beyond_softlimit_is_51(home: Home, network: None) -> None:
    limit = (home.program("softlimit"), "-m5000000")
    server = Server()
    with servers(server):
        assert client(home, b"x" * 3_000_000, before=limit) == 0
        assert client(home, b"x" * 5_000_000, before=limit) == 51
    assert len(server.got) == 1


def test_qmqpc_postfix_qmqp_sink_takes_it(home: Home, network: None) -> None:
    sink = tool("qmqp-sink", "postfix")
    libraries = f"{os.path.realpath(ORIGINALS)}/usr/lib/postfix"
    with subprocess.Popen(
        [sink, "-4", f"127.0.0.1:{PORT}", "10"], env={"LD_LIBRARY_PATH": libraries}
    ) as process:
        try:
            until(lambda: client(home) != 73)
            assert client(home, b"x" * 300_000) == 0
        finally:
            process.kill()


def test_qmqpc_in_the_place_of_qmail_queue_serves_our_programs(
    home: Home, network: None
) -> None:
    (home.path / "bin/qmail-queue").symlink_to("qmail-qmqpc")
    environment = {"PATH": "/bin:/usr/bin", "QMAILHOST": "me.example", "USER": "joe"}

    def run(program: str, data: bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [home.program(program)],
            input=data,
            env=environment,
            capture_output=True,
            check=False,
            timeout=60,
        )

    server = Server()
    with servers(server):
        message = b"To: r@b.example\nSubject: x\n\nhi\n"
        done = run("qmail-inject", message)
        assert (done.returncode, done.stderr) == (0, b"")
        dialogue = (
            b"MAIL FROM:<s@a>\r\nRCPT TO:<r@ok.example>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"
        )
        done = run("qmail-smtpd", dialogue)
    assert b"\r\n250 ok " in done.stdout
    injected, taken = server.got
    assert injected.endswith(b",14:joe@me.example,11:r@b.example,,")
    assert taken.endswith(b"\nx\n,3:s@a,12:r@ok.example,,")
    done = run("qmail-inject", message)
    assert done.returncode == 111
    assert b"(#4.4.1)" in done.stderr
