"""tcpserver as a process: its limit, its signals, its rules, its warm children."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from pytools.process import launcher
from tests.support.dnsserver import serving
from tests.support.tcpservers import QUIET, ROOT, Running, compile_rules
from tests.support.until import until

Start = Callable[..., Running]


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    """Launchers of this very runtime, so that the chain is not exec'ed."""
    directory = tmp_path / "bin"
    directory.mkdir()
    code = "from pytools.process import launcher; import sys;"
    code += "sys.stdout.buffer.write(launcher.render(sys.argv[1].encode(), b'/none'))"
    for name in ("tcpserver", "tcprulescheck"):
        text = subprocess.run(
            [sys.executable, "-ISBXutf8", "-c", f"{paths()}{code}", name],
            check=True,
            capture_output=True,
            timeout=30,
        ).stdout
        (directory / name).write_bytes(text)
        (directory / name).chmod(0o755)
    return directory


def paths() -> str:
    """The start of a program that finds our packages as a launcher does."""
    return f"import sys; sys.path[:0] = {launcher.search_path()!r};"


@pytest.fixture
def start(bin_dir: Path, tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as servers:

        def begin(
            options: list[str],
            program: list[str],
            env: dict[str, str] | None = None,
            command: list[str] | None = None,
        ) -> Running:
            command = command or [str(bin_dir / "tcpserver")]
            server = Running(command, options, program, env, tmp_path)
            return servers.enter_context(server)

        yield begin


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def listening_inode(port: int) -> str:
    with open("/proc/net/tcp") as file:
        for line in file:
            words = line.split()
            if words[1] == f"0100007F:{port:04X}" and words[3] == "0A":
                return f"socket:[{words[9]}]"
    raise AssertionError(port)


def open_files(pid: int) -> set[str]:
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            pass
    return found


def test_server_at_limit_defers_clients(start: Start) -> None:
    server = start([*QUIET, "-c", "2"], ["cat"])
    first, second, third = (server.connect() for _ in range(3))
    for connection in (first, second):
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
    third.sendall(b"y")
    server.wait_for("status: 2/2")
    assert not any("status: 3" in line for line in server.lines())
    first.close()
    assert third.recv(1) == b"y"
    for connection in (second, third):
        connection.close()
    server.wait_for("status: 0/2", 2)
    assert server.stop() == 0


def test_child_of_whoever_became_the_server_is_no_connection(
    start: Start, bin_dir: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "go")
    shell = 'head -1 go >/dev/null & exec "$0" "$@"'
    command = ["sh", "-c", shell, str(bin_dir / "tcpserver")]
    server = start([*QUIET, "-c", "1"], ["cat"], command=command)
    with server.connect() as first, server.connect() as second:
        first.sendall(b"x")
        assert first.recv(1) == b"x"
        second.sendall(b"y")
        (tmp_path / "go").write_bytes(b"now\n")
        server.wait_for(": end ")
        # Else the second client would have been served by now, beside the first.
        server.wait_for("status: ", 3)
        server.process.send_signal(signal.SIGUSR1)
        server.wait_for("report: 1/1 connections")
        lines = [line.split(": ", 1)[1] for line in server.lines()]
        assert [line for line in lines if line.startswith("status: ")] == [
            "status: 0/1",
            "status: 1/1",
            "status: 1/1",
        ]
        first.close()
        assert second.recv(1) == b"y"
    server.wait_for("status: 0/1", 3)


def test_term_ends_server_at_once_and_children_live_on(start: Start) -> None:
    server = start(QUIET, ["cat"])
    with server.connect() as connection:
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
        assert server.stop() == 0
        connection.sendall(b"still")
        assert connection.recv(5) == b"still"
        # Nothing else may hold the port: supervise starts the next server at once.
        again = socket.socket()
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", server.port))
        again.listen(1)
        again.close()


def test_port_is_free_after_term_although_a_resolver_ran(start: Start) -> None:
    server = start(["-v", "-R"], ["true"], {"DNSCACHEIP": "127.0.0.1:9"})
    until(lambda: children(server.process.pid))
    (resolver,) = children(server.process.pid)
    inode = listening_inode(server.port)
    assert inode in open_files(server.process.pid)
    until(lambda: inode not in open_files(resolver), what="closed in child")
    assert server.stop() == 0
    with socket.create_server(("127.0.0.1", server.port)):
        pass


def test_rules_are_read_anew_for_every_connection(start: Start, tmp_path: Path) -> None:
    server = start([*QUIET, "-x", "rules.cdb"], ["env"])
    assert server.fetch()[0] == b""
    server.wait_for("unable to read rules.cdb: file does not exist")
    compile_rules(tmp_path, '127.:allow,A="1"\n')
    assert b"\nA=1\n" in server.fetch()[0]
    compile_rules(tmp_path, "127.:deny\n")
    assert server.fetch()[0] == b""
    server.wait_for("status 25600")
    (tmp_path / "rules.cdb").write_bytes(b"no cdb at all")
    assert server.fetch()[0] == b""
    server.wait_for("unable to read rules.cdb: protocol error")
    (tmp_path / "rules.cdb").write_bytes(b"")
    assert server.fetch()[0] == b""
    server.wait_for("unable to read rules.cdb: protocol error", 2)
    server.wait_for("status 28416", 3)
    assert server.stop() == 0


def test_variables_of_one_client_never_reach_the_next(
    start: Start, tmp_path: Path
) -> None:
    compile_rules(tmp_path, '127.:allow,RELAYCLIENT=""\n')
    server = start(["-HRl0", "-x", "rules.cdb"], ["env"])
    assert b"\nRELAYCLIENT=\n" in server.fetch()[0]
    compile_rules(tmp_path, "127.:allow\n")
    assert b"RELAYCLIENT" not in server.fetch()[0]


def test_own_program_runs_without_exec(
    start: Start, bin_dir: Path, tmp_path: Path
) -> None:
    compile_rules(tmp_path, '127.:allow,A="1"\n')
    server = start(QUIET, [str(bin_dir / "tcprulescheck"), "rules.cdb"])
    expected = b"rule 127.:\nset environment variable A=1\nallow connection\n"
    assert [server.fetch()[0] for _ in range(3)] == [expected] * 3
    server.wait_for("status 0", 3)
    # The program has nothing of the server but what exec would have left it.
    assert server.stop() == 0


def test_many_connections_leave_no_child_and_no_descriptor(start: Start) -> None:
    server = start(QUIET, ["true"])
    server.fetch()
    server.wait_for("status: 0/40", 2)
    before = sorted(os.listdir(f"/proc/{server.process.pid}/fd"))
    connections = [server.connect() for _ in range(30)]
    for connection in connections:
        assert connection.recv(1) == b""
        connection.close()
    server.wait_for(": end ", 31)
    until(lambda: not children(server.process.pid))
    until(lambda: sorted(os.listdir(f"/proc/{server.process.pid}/fd")) == before)
    until(lambda: server.lines()[-1].endswith("status: 0/40"))


def test_server_works_when_memory_is_limited_after_imports(
    start: Start, bin_dir: Path, tmp_path: Path
) -> None:
    """As softlimit leaves it: 5 MB more than it has, everything imported."""
    compile_rules(tmp_path, '127.:allow,A="1"\n')
    program = f"""
import posix, resource
from pytools.base.environment import environ
from pytools.process import chain, launch
argv = [word.encode() for word in sys.argv[1:]]
chain.preload([{str(bin_dir / "tcpserver")!r}.encode(), *argv])
with open("/proc/self/statm") as file:
    size = int(file.read().split()[0]) * resource.getpagesize() + 5_000_000
resource.setrlimit(resource.RLIMIT_AS, (size, resource.getrlimit(resource.RLIMIT_AS)[1]))
sys.argv[0] = "tcpserver"
launch.launch(b"tcpserver", b"/none")
"""
    limited = [sys.executable, "-ISBXutf8", "-c", paths() + program]
    zone = {("1.0.0.127.in-addr.arpa.", "PTR"): ["here.test."]}
    with serving(zone) as names:
        server = start(
            ["-v", "-R", "-x", "rules.cdb"],
            [str(bin_dir / "tcprulescheck"), "rules.cdb"],
            {"DNSCACHEIP": f"127.0.0.1:{names.port}"},
            limited,
        )
        assert server.fetch()[0].startswith(b"rule 127.:\n")
        server.wait_for(" here.test:127.0.0.1::")
        assert server.stop() == 0


def test_resolver_that_was_killed_costs_no_connection(start: Start) -> None:
    zone = {("1.0.0.127.in-addr.arpa.", "PTR"): ["here.test."]}
    with serving(zone) as names:
        server = start(
            ["-v", "-R"], ["true"], {"DNSCACHEIP": f"127.0.0.1:{names.port}"}
        )
        server.fetch()
        server.wait_for("here.test:127.0.0.1::")
        server.wait_for(": end ")
        (resolver,) = children(server.process.pid)
        os.kill(resolver, signal.SIGKILL)
        until(lambda: resolver not in children(server.process.pid))
        server.fetch()
        server.wait_for(" here.test:127.0.0.1::", 2)
        server.wait_for(": end ", 2)
        assert server.stop() == 0
    # Its end is nobody's connection.
    assert sum(": end " in line for line in server.lines()) == 2


def test_slow_reverse_lookup_delays_no_other_connection(start: Start) -> None:
    """Names are looked up in the child; the parent goes on accepting."""
    zone: dict[tuple[str, str], list[str]] = {("1.0.0.127.in-addr.arpa.", "SILENT"): []}
    with serving(zone) as names:
        server = start(
            ["-v", "-Rl0"], ["true"], {"DNSCACHEIP": f"127.0.0.1:{names.port}"}
        )
        waiting = [server.connect() for _ in range(3)]
        server.wait_for("status: 3/40")
        server.wait_for(" from 127.0.0.1", 3)
        left = children(server.process.pid)
        assert server.stop() == 0
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for connection in waiting:
            connection.close()


@pytest.mark.parametrize("options", [["-u", "54321", "-g", "54322"], ["-U"]])
def test_program_runs_as_the_ids_asked_for(
    start: Start, options: list[str], as_root: None, python: list[str]
) -> None:
    env = {"UID": "54321", "GID": "54322", "PYTHONPATH": ROOT}
    server = start(["-HRl0", *options], ["/usr/bin/id"], env, [*python, "tcpserver"])
    seen = server.fetch()[0]
    assert seen.startswith(b"uid=54321 gid=54322 groups=54322")


def test_term_ends_server_whose_log_is_stuck(python: list[str]) -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    try:
        while True:
            os.write(write_end, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(write_end, True)
    process = subprocess.Popen(
        [*python, "tcpserver", "-1", *QUIET, "127.0.0.1", "0", "true"],
        stdout=subprocess.PIPE,
        stderr=write_end,
        env={"PATH": "/bin:/usr/bin", "PYTHONPATH": ROOT},
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    wchan = f"/proc/{process.pid}/wchan"
    until(lambda: "pipe" in Path(wchan).read_text(), what="stuck in write")
    process.terminate()
    assert process.wait(30) == 0
    process.stdout.close()
    os.close(read_end)
    os.close(write_end)
