"""The doctor on a port 25 that takes connections: is there a greeting?"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pytools.ucspi import arguments, limits
from qmail.operator.doctor import answering, tcpserver
from qmail.operator.doctor.answering import check_answer, listening_address
from qmail.operator.doctor.checks import Check, examine
from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine
from tests.support.until import until
from tests.unit.operator.doctor.scene import SERVER, Scene

NOT_TAKEN = b"nobody accepts"
LIMITED = "echo set environment variable MAXCONNIP=1; echo allow connection"
ALLOW, DENY = "echo allow connection", "echo deny connection"
LOOPBACK = int.from_bytes(b"\x7f\0\0\1", sys.byteorder)


@contextmanager
def listening(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, words: bytes | None
) -> Iterator[None]:
    """Somebody listens, says that, and hangs up; None: he waits for the other to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setattr(answering, "PORT", port)
        scene.put("proc/net/tcp", f"heading\n0: {LOOPBACK:08X}:{port:04X} 0:0 0A 0:0\n")

        def serve() -> None:
            if words == NOT_TAKEN:
                return
            peer, _ = listener.accept()
            with peer:
                peer.sendall(words or b"")
                if words is None:
                    peer.recv(1)

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        yield
        if words == NOT_TAKEN:
            return
        # It may still wait for the first.
        socket.create_connection(("127.0.0.1", port)).close()
        server.join(20)


def rules(scene: Scene, script: str) -> None:
    """What tcprulescheck is."""
    scene.put("usr/local/bin/tcprulescheck", f"#!/bin/sh\n{script}\n", 0o755)


@pytest.mark.parametrize(
    ("words", "is_found"),
    [(b"220 hi\r\n", False), (b"421 no\r\n", False), (b"", True), (None, True)],
)
def test_silence_is_found(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, words: bytes | None, is_found: bool
) -> None:
    monkeypatch.setattr(answering, "GREETING_SECONDS", 0.2 if words is None else 20)
    rules(scene, ALLOW)
    expected = [("smtpd-silent", "tail /var/log/qmail/smtpd/current")]
    with listening(scene, monkeypatch, words):
        assert scene.found(check_answer) == is_found * expected


@pytest.mark.parametrize(
    ("changed", "to", "is_found"),
    [
        ("tcpserver", "/usr/bin/python3\0-ISB\0/usr/local/bin/tcpserver", True),
        ("-v -R", "-vR", True),
        ("-x /etc/tcp.smtp.cdb", "", True),
        # A header is waited for.
        ("-v -R", "-v -R -y 127.0.0.1", False),
        ("-v -R", "-vRy10.0.0.0/8,127.0.0.1", False),
        # Who is asked: the client, a second name server, the name of this host.
        ("-v -R", "-v", False),
        ("-v -R", "-v -Rr", False),
        ("-v -R", "-v -R -p", False),
        ("-l foobar.example.com", "", False),
        # What may take its time, or is no tcpserver.
        (" /var/qmail/bin/q", " rblsmtpd -r a.example /var/qmail/bin/q", False),
        (" /var/qmail/bin/q", " sh -c q", False),
        ("tcpserver", "s6-tcpserver", False),
        ("tcpserver", "tcpserver -Z", False),
        ("0 smtp", "", False),
        # Whose rules are these?
        ("/etc/tcp.smtp.cdb", "rules.cdb", False),
    ],
)
def test_silence_is_certain(
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    changed: str,
    to: str,
    is_found: bool,
) -> None:
    monkeypatch.setattr(answering, "GREETING_SECONDS", 0.2)
    rules(scene, ALLOW)
    assert changed in SERVER
    scene.put("proc/77/cmdline", SERVER.replace(changed, to))
    with listening(scene, monkeypatch, None):
        assert scene.codes(check_answer) == is_found * ["smtpd-silent"]


@pytest.mark.parametrize(
    ("options", "program", "is_found"),
    [
        ("-v", "/var/qmail/bin/qmail-smtpd", True),
        ("-v", "/usr/local/bin/turns-away-whom-it-likes", False),
        ("-y ::1", "/var/qmail/bin/qmail-smtpd", False),
    ],
)
def test_word_that_is_missing_is_missed_of_qmail_smtpd(
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    options: str,
    program: str,
    is_found: bool,
) -> None:
    scene.put("proc/77/cmdline", f"tcpserver\0{options}\x000\0smtp\0{program}\0")
    with listening(scene, monkeypatch, b""):
        assert scene.codes(check_answer) == is_found * ["smtpd-silent"]


@pytest.mark.parametrize("waiting", [0, 1])
def test_all_connections_in_use_is_no_silence(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, waiting: int
) -> None:
    # All of it is waited for only where nobody waits.
    monkeypatch.setattr(answering, "GREETING_SECONDS", 20 if waiting else 0.4)
    monkeypatch.setattr(answering, "LOOK_SECONDS", 0.1)
    rules(scene, ALLOW)
    with listening(scene, monkeypatch, NOT_TAKEN):
        table = scene.proc / "net/tcp"
        shown = table.read_text().replace("0A 0:0", f"0A 00000000:{waiting:08X}")
        scene.put("proc/net/tcp", shown)
        assert scene.codes(check_answer) == (not waiting) * ["smtpd-silent"]


def test_kernel_counts_connections_that_nobody_has_taken(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.change(proc="/proc")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(answering, "PORT", listener.getsockname()[1])
        assert not answering.is_waited_for(scene.machine)
        with socket.create_connection(listener.getsockname()):
            until(lambda: answering.is_waited_for(scene.machine))
            listener.accept()[0].close()
            assert not answering.is_waited_for(scene.machine)


def test_options_are_those_of_tcpserver() -> None:
    assert tcpserver.SPEC == arguments.SPEC
    assert answering.LIMITS == limits.NAMES


@pytest.mark.parametrize("script", [DENY, "exit 111", LIMITED])
def test_client_that_may_be_kept_out_is_none(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    rules(scene, f'[ "$TCPREMOTEIP" = 127.0.0.1 ] && {script}')
    with listening(scene, monkeypatch, b""):
        assert scene.found(check_answer) == []


def test_without_tcprulescheck_nobody_asks(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(scene, monkeypatch, b""):
        assert scene.found(check_answer) == []


def test_nobody_listens_any_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    rules(scene, ALLOW)
    with socket.socket() as bound:
        # Nor can anybody else begin to.
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        monkeypatch.setattr(answering, "PORT", port)
        line = f"0: {LOOPBACK:08X}:{port:04X} 0:0 0A 0:0\n"
        scene.put("proc/net/tcp", f"heading\n{line}")
        assert scene.found(check_answer) == []


@pytest.mark.parametrize(
    ("table", "address", "expected"),
    [
        ("tcp", "00000000", "127.0.0.1"),
        (
            "tcp",
            f"{int.from_bytes(bytes([192, 0, 2, 1]), sys.byteorder):08X}",
            "192.0.2.1",
        ),
        ("tcp6", "0" * 32, "127.0.0.1"),
        ("tcp6", f"{'0' * 16}FFFF0000{LOOPBACK:08X}", "127.0.0.1"),
        ("tcp6", "0" * 24 + "01000000", None),
    ],
)
def test_address_is_the_listener_s(
    scene: Scene, table: str, address: str, expected: str | None
) -> None:
    scene.put("proc/net/tcp", "heading\n0: 00000000:0050 0:0 0A 0:0\n")
    scene.put("proc/net/tcp6", "heading\n")
    with open(scene.proc / "net" / table, "a") as file:
        file.write(f"1: {address}:0019 0:0 01 0:0\n2: {address}:0019 0:0 0A 0:0\n")
    assert listening_address(scene.machine) == expected


def test_last_resort_is_left_when_something_is_found(scene: Scene) -> None:
    def finds(machine: Machine) -> Iterator[Finding]:
        yield Finding("me-missing", "x", "y")

    def nothing(machine: Machine) -> Iterator[Finding]:
        return iter(())

    last = Check("last", finds, last_resort=True)
    assert len(examine(scene.machine, (Check("a", nothing), last)).findings) == 1
    assert len(examine(scene.machine, (Check("a", finds), last)).findings) == 1
