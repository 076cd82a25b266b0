"""qmail-remote as a process, against servers that say what they are told to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from pytools.base import runtime
from qmail.commands import qmail_remote
from qmail.control import ipme
from tests.support.smtphome import Home
from tests.support.smtpservers import Scripted
from tests.support.until import until

ARGUMENTS = ("host.example", "s@a.example", "r@b.example")
MESSAGE = b"Subject: x\n\n.dot\n"
ALL_WELL = [b"220 hi", b"250 a", b"250 b", b"250 c", b"354 d", b"250 e"]


class Server(threading.Thread):
    """Takes one connection, says each reply in turn, notes what it hears between them.

    After a reply that begins with 354 it hears a whole message.
    """

    def __init__(self, replies: list[bytes], *, trickle: bool = False) -> None:
        super().__init__(daemon=True)
        self._replies = replies
        self._trickle = trickle
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(20)
        self.port: int = self._listener.getsockname()[1]
        self.heard: list[bytes] = []
        self.start()

    def run(self) -> None:
        with self._listener:
            peer, _ = self._listener.accept()
        peer.settimeout(20)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with peer, peer.makefile("rb") as lines:
            for reply in self._replies:
                self._say(peer, reply + b"\r\n")
                self.heard.append(lines.readline())
                if reply.startswith(b"354"):
                    while self.heard[-1] not in {b".\r\n", b""}:
                        self.heard.append(lines.readline())

    def _say(self, peer: socket.socket, data: bytes) -> None:
        step = 1 if self._trickle else len(data)
        for at in range(0, len(data), step):
            peer.sendall(data[at : at + step])

    def finish(self) -> bytes:
        """All that was heard."""
        self.join(20)
        assert not self.is_alive()
        return b"".join(self.heard)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def route(home: Home, port: int) -> None:
    home.control(smtproutes=b":127.0.0.1:%d\n" % port)


def through(
    home: Home, replies: list[bytes], *arguments: str, message: bytes = MESSAGE
) -> tuple[list[bytes], bytes]:
    """The reports, and what the server heard."""
    server = Server(replies)
    route(home, server.port)
    reports = home.remote(*(arguments or ARGUMENTS), message=message)
    return reports, server.finish()


@pytest.mark.parametrize("trickle", [False, True])
def test_remote_message_is_sent_and_reported(home: Home, trickle: bool) -> None:
    server = Server(ALL_WELL, trickle=trickle)
    route(home, server.port)
    assert home.remote(*ARGUMENTS, message=MESSAGE) == [
        b"r",
        b"K127.0.0.1 accepted message.\nRemote host said: 250 e\n",
    ]
    assert server.finish() == (
        b"EHLO me.example\r\nMAIL FROM:<s@a.example>\r\nRCPT TO:<r@b.example>\r\n"
        b"DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n"
    )


def test_remote_several_recipients_are_reported_in_order(home: Home) -> None:
    replies = [b"220 a", b"250 b", b"250 c", b"250 d", b"550 e", b"354 f", b"250 g"]
    reports, _ = through(home, replies, "host", "", "a@b", "c@d")
    assert [report[:1] for report in reports] == [b"r", b"h", b"K"]


def test_remote_addresses_are_quoted(home: Home) -> None:
    replies = [b"220 a", b"250 b", b"250 c", b"250 d", b"250 e", b"354 f", b"250 g"]
    _, heard = through(home, replies, "host", "a b@c", 'q"@d', "no at")
    assert b'MAIL FROM:<"a b"@c>\r\nRCPT TO:<"q\\""@d>\r\nRCPT TO:<no at>' in heard


def test_remote_server_that_hangs_up_on_ehlo_is_called_again_with_helo(
    home: Home,
) -> None:
    calls: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        route(home, listener.getsockname()[1])

        def serve() -> None:
            while not calls or not calls[-1].endswith(b"QUIT\r\n"):
                peer, _ = listener.accept()
                peer.settimeout(20)
                calls.append(b"")
                with peer, peer.makefile("rb") as lines:
                    peer.sendall(b"220 hi\r\n")
                    for line in lines:
                        calls[-1] += line
                        if line.startswith(b"EHLO"):
                            break
                        if line == b"DATA\r\n":
                            peer.sendall(b"354 go on\r\n")
                        elif line[:4] in {b"HELO", b"MAIL", b"RCPT", b".\r\n"}:
                            peer.sendall(b"250 ok\r\n")

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        reports = home.remote(*ARGUMENTS, message=MESSAGE)
        server.join(20)
        assert not server.is_alive()
    assert [report[:1] for report in reports] == [b"r", b"K"]
    assert [call.split(b"\r\n")[0] for call in calls] == [
        b"EHLO me.example",
        b"HELO me.example",
    ]


@pytest.mark.parametrize("silent_at", ["EHLO", "HELO"])
def test_remote_no_server_is_called_a_third_time(home: Home, silent_at: str) -> None:
    """One that hangs up on both; one that says nothing to EHLO is called once."""
    if silent_at == "EHLO":
        home.control(timeoutremote=b"6\n")
    replies: list[bytes | None] = [b"220 hi"]
    server = Scripted(replies if silent_at == "HELO" else [*replies, None])
    try:
        route(home, server.port)
        reports = home.remote(*ARGUMENTS, message=MESSAGE)
    finally:
        server.close()
    assert [report[:1] for report in reports] == [b"Z"]
    heard = [b"EHLO me.example\r\n", b"HELO me.example\r\n"]
    assert server.connections == heard[: 2 if silent_at == "HELO" else 1]


def test_remote_helohost_is_what_it_calls_itself(home: Home) -> None:
    home.control(helohost=b"other.example\n")
    _, heard = through(home, ALL_WELL)
    assert heard.startswith(b"EHLO other.example\r\n")


def test_remote_partial_line_is_permanent_and_sends_no_end(home: Home) -> None:
    reports, heard = through(home, ALL_WELL, message=b"a\nb")
    assert reports[0] == b"r"
    assert reports[1].startswith(b"D")
    assert reports[1].endswith(b"(#5.6.2)\n")
    assert b"\r\n.\r\n" not in heard


@pytest.mark.parametrize(
    ("known", "report"),
    [
        (0, b"ZConnected to 127.0.0.1 but connection died. (#4.4.2)\n"),
        (3, b"ZConnected to 127.0.0.1 but connection died. (#4.4.2)\n"),
        (
            5,
            b"ZConnected to 127.0.0.1 but connection died. "
            b"Possible duplicate! (#4.4.2)\n",
        ),
    ],
)
def test_remote_connection_that_dies_is_temporary(
    home: Home, known: int, report: bytes
) -> None:
    reports, _ = through(home, ALL_WELL[:known])
    assert reports[-1] == report


def test_remote_silent_server_times_out(home: Home) -> None:
    home.control(timeoutremote=b"3\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        route(home, listener.getsockname()[1])
        [report] = home.remote(*ARGUMENTS)
    assert report.endswith(b"(#4.4.2)\n")


def test_remote_server_that_hangs_up_after_yes_has_the_message(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        route(home, listener.getsockname()[1])
        process = subprocess.Popen(
            [home.program("qmail-remote"), *ARGUMENTS],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={},
        )
        with process:
            peer, _ = listener.accept()
            peer.sendall(b"\r\n".join([*ALL_WELL, b""]))
            heard = b""
            while b"\r\n.\r\n" not in heard:
                heard += peer.recv(4096)
            # A reset: whatever is said now meets an error.
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0" + bytes(4))
            peer.close()
            assert process.stdout is not None
            assert process.stdout.read().startswith(b"r\0K127.0.0.1 accepted")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((), b"D(#5.3.5)"),
        (("host", "s@a"), b"D(#5.3.5)"),
        (("host", "s\n@a", "r@b"), b"D(#5.1.7)"),
    ],
)
def test_remote_wrong_arguments_are_permanent(
    home: Home, arguments: tuple[str, ...], status: bytes
) -> None:
    [report] = home.remote(*arguments)
    assert report[:1] + report[-9:-1] == status


@pytest.mark.parametrize("name", ["me", "smtproutes", "timeoutremote"])
def test_remote_unreadable_control_file_is_temporary(home: Home, name: str) -> None:
    (home.path / "control" / name).unlink(missing_ok=True)
    (home.path / "control" / name).mkdir()
    [report] = home.remote(*ARGUMENTS)
    assert report.startswith(b"Z")
    assert report.endswith(b"(#4.3.0)\n")


def test_remote_own_address_is_a_loop(home: Home) -> None:
    for host in ("127.0.0.1", "[127.0.0.1]", "0.0.0.0"):
        [report] = home.remote(host, "s@a", "r@b")
        assert report.startswith(b"DSorry. Although I'm listed as a best-preference MX")
        assert report.endswith(b"(#5.4.6)\n")
    assert b"\x7f\0\0\1" in ipme.own_addresses()


def test_remote_refused_connection_is_temporary_and_no_timeout(home: Home) -> None:
    # A port that is taken, so that nobody else gets it, and where nobody listens.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        route(home, taken.getsockname()[1])
        [report] = home.remote(*ARGUMENTS)
    assert report.startswith(b"Z")
    assert report.endswith(b"(#4.4.1)\n")
    assert (home.path / "queue/lock/tcpto").read_bytes() == bytes(1024)


def test_remote_timed_out_host_is_noted_then_skipped(home: Home) -> None:
    home.control(timeoutconnect=b"1\n")
    table = home.path / "queue/lock/tcpto"
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        route(home, address[1])
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        [report] = home.remote(*ARGUMENTS)
        for one in waiting:
            one.close()
    assert report.endswith(b"(#4.4.1)\n")
    record = table.read_bytes()[:16]
    assert record[:5] == b"\x7f\0\0\1\1"
    # A second timeout, some time ago: the host is left alone.
    now = int(time.time()).to_bytes(4, "little")
    with open(table, "r+b") as file:
        file.write(b"\x7f\0\0\1\2\0\0\0" + now)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        route(home, listener.getsockname()[1])
        [report] = home.remote(*ARGUMENTS)
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert report.endswith(b"(#4.4.1)\n")


def test_remote_success_clears_the_timeouts(home: Home) -> None:
    table = home.path / "queue/lock/tcpto"
    table.write_bytes((b"\x7f\0\0\1\1" + bytes(11)).ljust(1024, b"\0"))
    through(home, ALL_WELL)
    assert table.read_bytes()[4] == 0


def test_remote_to_our_smtpd_message_arrives(home: Home) -> None:
    message = b"Subject: x\n\n.a\n..\n" + b"long line " * 10000 + b"\n"
    home.control(rcpthosts=b"b.example\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        route(home, listener.getsockname()[1])
        pid = os.fork()
        if pid == 0:
            try:
                peer, _ = listener.accept()
                os.dup2(peer.fileno(), 0)
                os.dup2(peer.fileno(), 1)
                program = home.program("qmail-smtpd")
                os.execve(program, [program], home.environment())
            finally:
                os._exit(1)
        reports = home.remote(
            *("host", "s@a.example", "r@b.example", "r@c.example"), message=message
        )
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert [report[:1] for report in reports] == [b"r", b"h", b"K"]
    [(stored, envelope)] = home.stored()
    assert stored.partition(b" -0000\n")[2] == message
    assert envelope == b"Fs@a.example\0Tr@b.example\0\0"


def test_remote_after_an_hour_of_searching_no_server_is_tried(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qmail_remote, "SEARCH_SECONDS", -1)
    monkeypatch.setattr(runtime, "home", os.fsencode(home.path))
    monkeypatch.chdir(home.path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        route(home, listener.getsockname()[1])
        reports = bytearray()
        qmail_remote.send([b"qmail-remote", b"h", b"s@a", b"r@b"], reports)
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert reports.endswith(b"(#4.4.1)\n\0")


def test_remote_server_that_drips_for_ever_is_left_after_the_limit(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qmail_remote, "LIFE_SECONDS", 1)
    monkeypatch.setattr(runtime, "home", os.fsencode(home.path))
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.setblocking(False)
        route(home, listener.getsockname()[1])
        pid = os.fork()
        if not pid:
            try:
                # As a caller may leave it.
                signal.signal(signal.SIGALRM, signal.SIG_IGN)
                signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
                qmail_remote.main([b"qmail-remote", b"h", b"s@a", b"r@b"])
            finally:
                os._exit(99)
        peers: list[socket.socket] = []
        status = 0

        def is_over() -> bool:
            """A word more; one that is slow itself may end before its first."""
            nonlocal status
            with suppress(BlockingIOError):
                peers.append(stack.enter_context(listener.accept()[0]))
            for peer in peers:
                with suppress(OSError):
                    peer.sendall(b"2")
            found, status = os.waitpid(pid, os.WNOHANG)
            return found == pid

        until(is_over)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGALRM
