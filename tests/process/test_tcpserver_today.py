"""tcpserver beyond the original: IPv6, limits, proxies, sockets of a parent, drain."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from pytools.ucspi.proxy import SIGNATURE
from tests.support.dnsserver import serving
from tests.support.identserver import identifying
from tests.support.netns import own_network
from tests.support.tcpservers import QUIET, ROOT, Running, compile_rules
from tests.support.until import until

Start = Callable[..., Running]
ONE_6 = "1." + "0." * 31 + "ip6.arpa."


@pytest.fixture
def start(tmp_path: Path, python: list[str]) -> Iterator[Start]:
    with ExitStack() as servers:

        def begin(
            options: list[str],
            program: list[str],
            host: str = "127.0.0.1",
            prefix: tuple[str, ...] = (),
            **env: str,
        ) -> Running:
            env |= {"PYTHONPATH": ROOT}
            command = [*prefix, *python, "tcpserver"]
            server = Running(command, options, program, env, tmp_path, host)
            return servers.enter_context(server)

        yield begin


def variables(seen: bytes) -> dict[str, str]:
    lines = (line for line in seen.decode().splitlines() if "=" in line)
    return dict(line.split("=", 1) for line in lines)


def log_of(server: Running, word: str) -> list[str]:
    return [line for line in server.lines() if line.startswith(f"tcpserver: {word} ")]


def test_dual_stack_server_shows_an_ip4_client_as_any_other_does(
    start: Start, tmp_path: Path
) -> None:
    compile_rules(tmp_path, '127.:allow,FOUR="1"\n::1:allow,SIX="1"\n:deny\n')
    server = start([*QUIET, "-x", "rules.cdb"], ["env"], "::")
    old = variables(server.fetch("127.0.0.1")[0])
    assert (old["PROTO"], old["TCPREMOTEIP"]) == ("TCP", "127.0.0.1")
    assert (old["TCPLOCALIP"], old["FOUR"]) == ("127.0.0.1", "1")
    assert not any(name.startswith("TCP6") for name in old)
    new = variables(server.fetch("::1")[0])
    assert (new["PROTO"], new["SIX"]) == ("TCP6", "1")
    for end in ("LOCALIP", "REMOTEIP"):
        assert new[f"TCP{end}"] == new[f"TCP6{end}"] == "::1"
    assert new["TCP6LOCALPORT"] == new["TCPLOCALPORT"] == str(server.port)
    assert new["TCP6REMOTEPORT"] == new["TCPREMOTEPORT"]
    server.wait_for(": end ", 2)
    assert log_of(server, "ok")[0].split()[3] == f"0:127.0.0.1:{server.port}"
    assert log_of(server, "ok")[1].split()[3] == f"0:??1:{server.port}"
    assert any(line.endswith(" from ::1") for line in server.lines())


@pytest.mark.parametrize(
    ("option", "host", "four", "six"),
    [
        ("-6", "::", False, True),
        ("-6", "0", False, True),
        ("-4", "0", True, False),
        ("-Q", "0", True, False),
        ("-Q", "::1", False, True),
    ],
)
def test_families_that_a_server_answers(
    option: str, host: str, four: bool, six: bool, start: Start
) -> None:
    server = start([option, "-HRl0"], ["true"], host)
    for address, wanted in (("127.0.0.1", four), ("::1", six)):
        if wanted:
            server.fetch(address)
        else:
            with pytest.raises(ConnectionRefusedError):
                server.fetch(address)


def test_ip6_client_is_looked_up_proved_and_asked_about(
    start: Start, as_root: None
) -> None:
    zone = {(ONE_6, "PTR"): ["six.example."], ("six.example.", "AAAA"): ["::1"]}
    answer = b"1,2:USERID:UNIX:joe\r\n"
    with own_network(), serving(zone) as names, identifying({"::1": answer}) as idents:
        cache = f"127.0.0.1:{names.port}"
        server = start(["-v", "-p"], ["env"], "::1", DNSCACHEIP=cache)
        seen, port = server.fetch()
        assert server.stop() == 0
    found = variables(seen)
    assert found["TCPREMOTEHOST"] == found["TCP6REMOTEHOST"] == "six.example"
    assert found["TCPREMOTEINFO"] == found["TCP6REMOTEINFO"] == "joe"
    assert found["TCPLOCALHOST"] == "six.example"
    assert idents.asked == [("::1", b"%d , %d\r\n" % (port, server.port))]


def test_name_with_only_an_ip6_address_is_listened_on(start: Start) -> None:
    zone = {("six.example.", "AAAA"): ["::1"]}
    with serving(zone) as names:
        cache = f"127.0.0.1:{names.port}"
        server = start(QUIET, ["echo", "hi"], "six.example", DNSCACHEIP=cache)
    assert server.fetch("::1")[0] == b"hi\n"


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def test_drain_closes_the_port_and_waits_for_connections(start: Start) -> None:
    server = start([*QUIET, "-w", "0"], ["cat"])
    with server.connect() as connection:
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
        server.process.terminate()
        server.wait_for("tcpserver: drain 1")
        # The next server may have the port while this one still has a client.
        assert is_free(server.port)
        connection.sendall(b"still")
        assert connection.recv(5) == b"still"
        assert server.process.poll() is None
    assert server.process.wait(30) == 0
    assert server.lines()[-1] == "tcpserver: status: 0/40"


def test_drain_ends_at_a_second_term_and_when_time_is_up(start: Start) -> None:
    for options, again in (
        (["-w", "0"], True),
        (["-w", "9999999"], True),
        (["-w", "1"], False),
    ):
        server = start([*QUIET, *options], ["cat"])
        with server.connect() as connection:
            connection.sendall(b"x")
            assert connection.recv(1) == b"x"
            server.process.terminate()
            server.wait_for("drain 1")
            if again:
                server.process.terminate()
            assert server.process.wait(30) == 0
            connection.sendall(b"y")
            assert connection.recv(1) == b"y"


def waiting_clients(port: int) -> int:
    """How many connections a listening socket has that nobody has accepted."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, state, queues = (line.split()[n] for n in (1, 3, 4))
        if state == "0A" and int(local.partition(":")[2], 16) == port:
            return int(queues.partition(":")[2], 16)
    return 0


def test_drain_serves_who_was_connected_before_it(start: Start) -> None:
    server = start([*QUIET, "-w", "0"], ["cat"])
    server.wait_for("status: 0/40")  # before that TERM ends it at once
    server.process.send_signal(signal.SIGSTOP)
    # The kernel answers for the server, which does not know of this client yet.
    with server.connect() as connection:
        until(lambda: waiting_clients(server.port) == 1)
        server.process.terminate()
        server.process.send_signal(signal.SIGCONT)
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
    assert server.process.wait(30) == 0


def connect_for_ever(port: int, ended: threading.Event) -> None:
    """Connect and go away, until nobody answers any more."""
    while not ended.is_set():
        with suppress(OSError):
            # Where the queue is full there is no answer: begin again soon.
            socket.create_connection(("127.0.0.1", port), 0.05).close()


def test_drain_ends_however_many_still_come(start: Start) -> None:
    limit, backlog = 5, 20
    server = start([*QUIET, "-c", str(limit), "-w", "1"], ["sleep", "4"])
    ended = threading.Event()
    clients = [
        threading.Thread(target=connect_for_ever, args=(server.port, ended))
        for _ in range(4)
    ]
    for client in clients:
        client.start()
    try:
        server.wait_for(f"status: {limit}/{limit}")
        until(lambda: waiting_clients(server.port) > backlog)
        server.process.terminate()
        # They do not stop before it does.
        assert server.process.wait(20) == 0
    finally:
        ended.set()
        for client in clients:
            client.join()
    (drained,) = log_of(server, "drain")
    assert limit < int(drained.split()[-1]) <= limit + backlog + 1
    assert len(log_of(server, "status:")) <= 2 * (limit + backlog + 1)


def test_drain_of_an_idle_server_ends_at_once(start: Start) -> None:
    server = start([*QUIET, "-w", "0"], ["cat"])
    server.wait_for("status: 0/40")
    assert server.stop() == 0
    assert log_of(server, "drain") == ["tcpserver: drain 0"]


def test_signal_asks_for_a_line_about_the_server(start: Start) -> None:
    server = start(["-HRl0"], ["cat"])
    with server.connect(source="127.0.0.7") as one, server.connect() as two:
        for connection in (one, two):
            connection.sendall(b"x")
            assert connection.recv(1) == b"x"
        server.process.send_signal(signal.SIGUSR1)
        server.wait_for("report")
    assert server.lines() == [
        "tcpserver: report: 2/40 connections, 0 workers, 2 accepted;"
        " 127.0.0.1=1 127.0.0.7=1"
    ]


def test_connections_of_one_address_are_limited(start: Start, tmp_path: Path) -> None:
    compile_rules(tmp_path, '127.0.0.2:allow,MAXCONNIP="1",DIEMSG="421 too many"\n')
    server = start([*QUIET, "-x", "rules.cdb"], ["cat"])
    with server.connect(source="127.0.0.2") as first:
        first.sendall(b"x")
        assert first.recv(1) == b"x"
        assert server.fetch(source="127.0.0.2")[0] == b"421 too many\r\n"
        server.wait_for("status 25600")
        pid = log_of(server, "deny")[0].split()[2]
        assert log_of(server, "limit") == [f"tcpserver: limit {pid} MAXCONNIP 2 1"]
        with server.connect(source="127.0.0.3") as other:
            other.sendall(b"y")
            assert other.recv(1) == b"y"
    server.wait_for("status: 0/", 2)
    with server.connect(source="127.0.0.2") as again:
        again.sendall(b"z")
        assert again.recv(1) == b"z"


@pytest.mark.parametrize("rule", ['allow,MAXCONNIP="0",DIEMSG="421 no"', "deny"])
def test_client_is_turned_away_by_a_server_that_says_nothing(
    rule: str, start: Start, tmp_path: Path
) -> None:
    """Without -v no child is spent on it."""
    compile_rules(tmp_path, f"127.0.0.2:{rule}\n")
    server = start(["-HRl0", "-x", "rules.cdb", "-c", "1"], ["echo", "hi"])
    expected = b"421 no\r\n" if "421" in rule else b""
    for _ in range(3):
        assert server.fetch(source="127.0.0.2")[0] == expected
    assert server.fetch()[0] == b"hi\n"
    (tmp_path / "rules.cdb").unlink()
    assert server.fetch()[0] == b""
    server.wait_for("dropping connection, unable to read rules.cdb: file does not")
    assert server.stop() == 0


def test_network_and_rate_are_limited_with_defaults_from_the_environment(
    start: Start, tmp_path: Path
) -> None:
    compile_rules(tmp_path, '127.0.0.9:allow,MAXCONNC=""\n')
    options = [*QUIET, "-x", "rules.cdb"]
    server = start(options, ["cat"], MAXCONNC="1", MAXRATEIP="3/1000")
    with server.connect(source="127.0.0.1") as first:
        first.sendall(b"x")
        assert first.recv(1) == b"x"
        assert server.fetch(source="127.0.0.2")[0] == b""
        server.wait_for("MAXCONNC 2 1")
        with server.connect(source="127.0.0.9") as free:
            free.sendall(b"y")
            assert free.recv(1) == b"y"
    for count in (2, 3):
        server.wait_for(" status 0", count)
        with server.connect(source="127.0.0.1") as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
    server.wait_for(" status 0", 4)
    assert server.fetch(source="127.0.0.1")[0] == b""
    server.wait_for("MAXRATEIP 4 3/1000")


def proxied(server: Running, header: bytes, source: str) -> bytes:
    with server.connect(source=source) as connection:
        connection.sendall(header)
        parts = []
        # It may be dropped, before or after this, with what it has sent unread.
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                parts.append(chunk)
    return b"".join(parts)


def test_header_of_a_trusted_proxy_names_the_client(
    start: Start, tmp_path: Path
) -> None:
    compile_rules(tmp_path, '192.0.2.7:allow,SEVEN="1"\n')
    options = [*QUIET, "-x", "rules.cdb", "-y", "127.0.0.5,::1"]
    server = start(options, ["sh", "-c", "env; cat"])
    seen = proxied(
        server, b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\nEHLO\n", "127.0.0.5"
    )
    assert seen.endswith(b"\nEHLO\n")
    found = variables(seen)
    assert (found["TCPREMOTEIP"], found["TCPREMOTEPORT"]) == ("192.0.2.7", "4711")
    assert (found["TCPLOCALIP"], found["TCPLOCALPORT"]) == ("198.51.100.1", "25")
    assert (found["TCPPROXYIP"], found["SEVEN"]) == ("127.0.0.5", "1")
    addresses = socket.inet_pton(socket.AF_INET6, "2001:db8::9") * 2
    block = addresses + b"\x12\x67\x00\x19" + b"\x04\0\1x"
    binary = SIGNATURE + b"\x21\x21" + len(block).to_bytes(2, "big") + block
    found = variables(proxied(server, binary, "127.0.0.5"))
    assert (found["PROTO"], found["TCP6REMOTEIP"]) == ("TCP6", "2001:db8::9")
    local = SIGNATURE + b"\x20\x00\x00\x00"
    found = variables(proxied(server, local, "127.0.0.5"))
    assert found["TCPREMOTEIP"] == "127.0.0.5"
    assert "TCPPROXYIP" not in found
    assert b"env" not in proxied(server, b"EHLO, not a header\r\n", "127.0.0.5")
    server.wait_for("unable to read PROXY header: protocol error")


def test_header_of_anybody_else_is_data(start: Start) -> None:
    server = start([*QUIET, "-y", "127.0.0.5"], ["sh", "-c", "env; cat"])
    line = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n"
    seen = proxied(server, line, "127.0.0.6")
    assert seen.endswith(line)
    assert variables(seen)["TCPREMOTEIP"] == "127.0.0.6"


def test_limits_count_the_client_of_a_proxy(start: Start) -> None:
    server = start([*QUIET, "-y", "127.0.0.5"], ["cat"], MAXCONNIP="1")
    header = b"PROXY TCP4 192.0.2.%d 198.51.100.1 4711 25\r\n"
    with server.connect(source="127.0.0.5") as first:
        first.sendall(header % 1 + b"x")
        assert first.recv(1) == b"x"
        with server.connect(source="127.0.0.5") as other:
            other.sendall(header % 2 + b"y")
            assert other.recv(1) == b"y"
            assert proxied(server, header % 1, "127.0.0.5") == b""
            server.wait_for("MAXCONNIP 2 1")
            server.wait_for("status 25600")
            server.process.send_signal(signal.SIGUSR1)
            server.wait_for("; 192.0.2.1=1 192.0.2.2=1")


def test_sockets_of_a_parent_are_served(tmp_path: Path, python: list[str]) -> None:
    """As systemd does it: from descriptor 3, and the pid in the environment."""
    listeners = [socket.create_server(("127.0.0.1", 0))]
    six = socket.create_server(("::1", 0), family=socket.AF_INET6)
    listeners.append(six)
    ports = [each.getsockname()[1] for each in listeners]
    code = "import os, sys; first, second = map(int, sys.argv[1:3]);"
    # Above both first: neither must be overwritten before it is used.
    code += "os.dup2(first, 200); os.dup2(second, 201);"
    code += "os.dup2(200, 3); os.dup2(201, 4);"
    code += "os.environ |= dict(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2',"
    code += " LISTEN_FDNAMES='a:b'); os.closerange(5, 256);"
    code += "os.execv(sys.argv[3], sys.argv[3:])"
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *(str(each.fileno()) for each in listeners)]
            + [*python, "tcpserver", "-v1HRl0"]
            + ["fd:", "0", "sh", "-c", "env; readlink /proc/$$/fd/*"],
            pass_fds=[each.fileno() for each in listeners],
            stdout=subprocess.PIPE,
            stderr=log,
            env={"PATH": "/bin:/usr/bin", "PYTHONPATH": ROOT},
            cwd=tmp_path,
        )
    try:
        assert process.stdout is not None
        assert [int(process.stdout.readline()) for _ in ports] == ports
        process.stdout.close()
        for each, where in zip(listeners, ("127.0.0.1", "::1"), strict=True):
            with socket.create_connection(each.getsockname()[:2], 30) as client:
                seen = client.makefile("rb").read()
            found = variables(seen)
            assert found["TCPLOCALIP"] == where
            assert found["TCPLOCALPORT"] == str(each.getsockname()[1])
            assert not any(name.startswith("LISTEN_") for name in found)
            # No program inherits what it could accept from.
            sockets = {
                line for line in seen.split(b"\n") if line.startswith(b"socket:")
            }
            assert len(sockets) == 1
            each.close()
    finally:
        process.terminate()
    assert process.wait(30) == 0


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize(
    ("options", "terms"), [([], 1), (["-w", "0"], 1), (["-w", "0"], 2)]
)
def test_socket_of_a_parent_is_left_as_it_came(
    options: list[str],
    terms: int,
    blocks: bool,
    tmp_path: Path,
    python: list[str],
) -> None:
    """Whether it blocks is the same for the parent, which goes on with it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = listener.fileno()
        os.set_blocking(fd, blocks)
        log = tmp_path / "log"
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [*python, "tcpserver", "-vHRl0", *options, f"fd:{fd}", "0", "cat"],
                pass_fds=[fd],
                stderr=output,
                env={"PATH": "/bin:/usr/bin", "PYTHONPATH": ROOT},
            )
        try:
            with socket.create_connection(listener.getsockname(), 30) as client:
                client.sendall(b"x")
                assert client.recv(1) == b"x"
                assert not os.get_blocking(fd)
                process.terminate()
                if options:
                    until(lambda: b"drain 1" in log.read_bytes())
                    assert os.get_blocking(fd) == blocks
                if terms == 2:
                    process.terminate()
                if terms == 2 or not options:
                    assert process.wait(30) == 0
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()
        assert os.get_blocking(fd) == blocks


@pytest.mark.parametrize(
    ("host", "env", "why"),
    [
        ("fd:", {}, b"no sockets were handed over"),
        ("fd:", {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, b"no sockets were handed over"),
        ("fd:99", {}, b"unable to use descriptor 99: file descriptor not open"),
        ("fd:2", {}, b"unable to use descriptor"),
        ("fd:3,,4", {}, b"unable to understand fd:3,,4"),
    ],
)
def test_sockets_that_are_none_are_fatal(
    host: str, env: dict[str, str], why: bytes, python: list[str]
) -> None:
    done = subprocess.run(
        [*python, "tcpserver", host, "0", "true"],
        capture_output=True,
        timeout=30,
        env={"PYTHONPATH": ROOT, **env},
    )
    assert (done.returncode, done.stdout) == (111, b"")
    assert done.stderr.startswith(b"tcpserver: fatal: " + why)


def test_client_without_a_nameserver_delays_nobody(start: Start) -> None:
    zone: dict[tuple[str, str], list[str]] = {("7.0.0.127.in-addr.arpa.", "SILENT"): []}
    with serving(zone) as names:
        cache = f"127.0.0.1:{names.port}"
        server = start(["-v", "-Rl0"], ["echo", "hi"], DNSCACHEIP=cache)
        with server.connect(source="127.0.0.7"):
            server.wait_for("from 127.0.0.7")
            assert server.fetch()[0] == b"hi\n"
            server.wait_for(": end ")
            assert not any("127.0.0.7:" in line for line in server.lines())
            (waiting,) = (
                int(line.split()[2])
                for line in server.lines()
                if line.endswith("from 127.0.0.7")
            )
            assert server.stop() == 0
            with suppress(ProcessLookupError):
                os.kill(waiting, signal.SIGKILL)
