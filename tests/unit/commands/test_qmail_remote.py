"""How long qmail-remote looks for a server."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytools.base import runtime
from qmail.commands import qmail_remote
from qmail.commands.qmail_remote import SEARCH_SECONDS
from qmail.remote import routes
from qmail.remote.mx import Server
from qmail.remote.report import NO_CONNECTION

SERVERS = [Server(10, bytes([192, 0, 2, n])) for n in range(1, 10)]
CONTROLS = SimpleNamespace(helo=b"me", routes={}, timeout=1200, connect_timeout=60)
ROUTE = SimpleNamespace(host=b"h", port=25, is_relay=False)


@pytest.mark.parametrize(
    ("seconds", "tried"),
    [
        (1, 9),
        (SEARCH_SECONDS // 9, 9),
        (SEARCH_SECONDS // 2, 3),
        (2 * SEARCH_SECONDS, 1),
    ],
)
def test_after_an_hour_no_further_server_is_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: int, tried: int
) -> None:
    """No server answers, each for so many seconds."""
    monkeypatch.chdir(tmp_path)  # and back, as the program goes to its home
    now = 1000
    asked: list[Server] = []

    def connect(server: Server, port: int, controls: object) -> None:
        nonlocal now
        asked.append(server)
        now += seconds

    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr(runtime, "home", os.fsencode(tmp_path))
    monkeypatch.setattr(qmail_remote, "time", clock)
    monkeypatch.setattr(qmail_remote, "Controls", lambda: CONTROLS)
    monkeypatch.setattr(routes, "find", lambda *_: ROUTE)
    monkeypatch.setattr(qmail_remote, "servers_for", lambda _: SERVERS)
    monkeypatch.setattr(qmail_remote, "connect", connect)
    reports = bytearray()
    qmail_remote.send([b"qmail-remote", b"h", b"s@a", b"r@h"], reports)
    assert asked == SERVERS[:tried]
    assert reports == NO_CONNECTION + b"\0"
