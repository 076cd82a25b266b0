"""tcpserver's children that serve one connection after another: nothing may show."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytools.ucspi.worker import JOBS
from tests.support.smtphome import Home
from tests.support.tcpservers import Running
from tests.support.until import until

RELAY = b"RCPT TO:<joe@elsewhere.example>\r\n"
Start = Callable[..., Running]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path, [b"tcpserver", b"tcprules"])
    rules(made, "127.:allow\n")
    return made


@pytest.fixture
def start(home: Home) -> Iterator[Start]:
    with ExitStack() as servers:

        def begin(*options: str, command: tuple[str, ...] = ()) -> Running:
            server = Running(
                [*command, home.program("tcpserver")],
                ["-vHRl0", "-x", str(home.path / "rules.cdb"), *options],
                [home.program("qmail-smtpd")],
            )
            return servers.enter_context(server)

        yield begin


def rules(home: Home, text: str) -> None:
    cdb = f"{home.path}/rules.cdb"
    command = [home.program("tcprules"), cdb, cdb + ".tmp"]
    subprocess.run(command, input=text.encode(), check=True, timeout=30)


def talk(server: Running, *lines: bytes, quit_it: bool = True) -> bytes:
    """A session; the last reply before the end of it."""
    with server.connect() as connection:
        replies = connection.makefile("rb")
        reply = replies.readline()
        for line in (*lines, b"QUIT\r\n") if quit_it else lines:
            connection.sendall(line)
            last, reply = reply, replies.readline()
        if quit_it:
            assert reply.startswith(b"221")
            assert replies.read() == b""
            reply = last
    return reply


def pids(server: Running) -> list[str]:
    return re.findall(r": pid (\d+) from", "\n".join(server.lines()))


def idle(server: Running, ends: int) -> int:
    """Wait until so many connections have ended; the pid that served the last."""
    server.wait_for(": end ", ends)
    return int(pids(server)[-1])


def gone(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}")


def test_denied_client_after_allowed_one_on_the_same_worker_may_not_relay(
    start: Start, home: Home
) -> None:
    server = start()
    rules(home, '127.:allow,RELAYCLIENT=""\n')
    assert talk(server, b"MAIL FROM:<a@b>\r\n", RELAY).startswith(b"250")
    idle(server, 1)
    rules(home, "127.:allow\n")
    assert talk(server, b"MAIL FROM:<a@b>\r\n", RELAY).startswith(b"553")
    idle(server, 2)
    rules(home, "127.:deny\n")
    with server.connect() as connection:
        assert connection.recv(100) == b""
    server.wait_for("status 25600")
    assert len(set(pids(server))) == 1


def test_path_that_a_rule_sets_finds_no_program_of_the_next_client(
    start: Start, home: Home
) -> None:
    server = start()
    rules(home, '127.:allow,PATH="/nowhere",PYQMAIL_EXEC="1"\n')
    talk(server)
    rules(home, "127.:allow\n")
    for ends in (2, 3):
        talk(server)
        idle(server, ends)
    # The first was exec'ed; then there was a worker without that variable.
    first, second, third = pids(server)
    assert first != second == third


def test_log_of_a_worker_has_the_lines_of_a_child_for_each_connection(
    start: Start,
) -> None:
    server = start("-c", "1")
    for ends in (1, 2, 3):
        talk(server)
        idle(server, ends)
    server.wait_for("status: 0/1", 4)
    (pid,) = set(pids(server))
    one = ["status: 1/1", f"pid {pid} from 127.0.0.1", f"ok {pid} 0:"]
    one += [f"end {pid} status 0", "status: 0/1"]
    seen = [line.removeprefix("tcpserver: ") for line in server.lines()]
    assert len(seen) == 1 + 3 * len(one)
    for line, expected in zip(seen[1:], one * 3, strict=True):
        assert line.startswith(expected)


def test_unclean_end_is_the_end_of_the_worker(start: Start) -> None:
    server = start()
    talk(server, b"HELO x\r\n", quit_it=False)
    server.wait_for("status 256")
    talk(server)
    first, second = pids(server)
    assert first != second
    until(lambda: gone(int(first)))


def test_worker_is_as_at_its_birth_before_every_job(start: Start) -> None:
    server = start()
    looks = []
    for ends in range(1, 5):
        talk(server, b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<x@ok.example>\r\n")
        pid = idle(server, ends)
        place = f"/proc/{pid}"
        cmdline = Path(place, "cmdline")
        until(lambda file=cmdline: b"worker" in file.read_bytes())  # type: ignore[misc]
        status = Path(place, "status").read_text()
        signals = re.findall(r"^(?:Sig(?:Ign|Cgt|Blk)|Umask):.*", status, re.MULTILINE)
        files = {
            fd: os.readlink(f"{place}/fd/{fd}") for fd in os.listdir(f"{place}/fd")
        }
        looks.append((os.readlink(f"{place}/cwd"), signals, files))
    assert len(set(pids(server))) == 1
    assert looks == [looks[0]] * 4
    # Standard error, the channel and the working directory, nothing else.
    assert len(looks[0][2]) == 3
    assert "0" not in looks[0][2]


def test_term_ends_idle_workers_and_frees_the_port(start: Start) -> None:
    server = start()
    connections = [server.connect() for _ in range(3)]
    # All are served before the first one quits: its worker would serve another.
    for connection in connections:
        assert connection.recv(3) == b"220"
    for connection in connections:
        connection.sendall(b"QUIT\r\n")
    server.wait_for(": end ", 3)
    workers = {int(pid) for pid in pids(server)}
    assert len(workers) == 3
    assert server.stop() == 0
    until(lambda: all(gone(pid) for pid in workers))
    for connection in connections:
        connection.close()


def test_worker_killed_while_idle_costs_no_connection_and_no_line(start: Start) -> None:
    server = start()
    talk(server)
    first = idle(server, 1)
    os.kill(first, signal.SIGKILL)
    until(lambda: gone(first))
    talk(server)
    server.wait_for(": end ", 2)
    assert sum(": end " in line for line in server.lines()) == 2
    assert idle(server, 2) != first


def test_program_that_was_replaced_is_exec_ed_at_the_next_connection(
    start: Start, home: Home
) -> None:
    server = start()
    talk(server)
    idle(server, 1)
    program = Path(home.program("qmail-smtpd"))
    program.unlink()
    program.write_text("#!/bin/sh\nls -l /proc/self/fd\nexit 7\n")
    program.chmod(0o755)
    seen = server.fetch()[0].decode()
    server.wait_for("status 1792")
    # 0 and 1 the connection, 2 the log; 3 is what ls looks with, 10 the script.
    found = set(re.findall(r" (\d+) -> ", seen))
    assert {"0", "1", "2"} <= found <= {"0", "1", "2", "3", "10", "255"}
    assert len(set(pids(server))) == 1


def test_worker_ends_after_its_last_job(start: Start) -> None:
    server = start()
    for ends in range(1, JOBS + 2):
        talk(server)
        server.wait_for(": end ", ends)
    assert len(set(pids(server))) == 2
    assert len(set(pids(server)[:JOBS])) == 1


def test_processor_time_that_is_limited_is_never_shared(start: Start) -> None:
    server = start(command=("prlimit", "--cpu=60"))
    talk(server)
    idle(server, 1)
    talk(server)
    idle(server, 2)
    assert len(set(pids(server))) == 2


def test_worker_tells_the_server_the_client_of_each_proxy_connection(
    start: Start,
) -> None:
    server = start("-y", "127.0.0.1")
    for number in (1, 2):
        with server.connect() as connection:
            header = b"PROXY TCP4 192.0.2.%d 198.51.100.1 4711 25\r\n" % number
            connection.sendall(header + b"QUIT\r\n")
            replies = connection.makefile("rb").read().splitlines()
        assert [reply[:3] for reply in replies] == [b"220", b"221"]
        idle(server, number)
    log = "\n".join(server.lines())
    clients = re.findall(r": ok (\d+) \S+ :([0-9.]+)::4711", log)
    assert [ip for _, ip in clients] == ["192.0.2.1", "192.0.2.2"]
    assert len({pid for pid, _ in clients}) == 1
    server.process.send_signal(signal.SIGUSR1)
    server.wait_for("report: 0/40 connections, 1 workers, 2 accepted;")
