"""pyqmail status: what it reads as root belongs to others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qmail.operator import cli
from qmail.operator.places import Places
from tests.conftest import CHECKOUT


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    return tmp_path / "log"


@pytest.fixture
def places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: list[str]
) -> Places:
    def run(command: list[str], stdin: bytes = b"", cwd: str = "/") -> str:
        name = os.path.basename(command[0])
        return given([*python, name], stdin, str(CHECKOUT))

    given = cli.output
    monkeypatch.setattr(cli, "output", run)
    return Places(str(tmp_path))


def shown(places: Places, log: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    cli.show_log(places, "s", str(log), 2)
    return capsys.readouterr().out.splitlines()[2:]


def test_status_shows_the_last_lines_with_local_times(
    places: Places,
    log: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    stamp = b"@4000000037c219bf2ef02e94 "
    (log / "current").write_bytes(b"first\n" + stamp + b"second\n\xc3\xbc\n")
    expected = ["  1999-08-24 04:04:05.787492500 second", "  \xfc"]
    assert shown(places, log, capsys) == expected


def test_status_replaces_what_would_command_the_terminal(
    places: Places, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (log / "current").write_bytes(b"\x1b]0;owned\x07\r\xc2\x9b2J \xe2\x80\xae\tx\n")
    assert shown(places, log, capsys) == ["  ?]0;owned???2J ?\tx"]


def test_status_reads_no_fifo_and_follows_no_link(
    places: Places, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(log / "current")
    complaint = f"  unable to read {log}/current: "
    assert shown(places, log, capsys) == [complaint + "not a regular file"]
    (log / "current").unlink()
    (log / "secret").write_bytes(b"secret\n")
    (log / "current").symlink_to("secret")
    (line,) = shown(places, log, capsys)
    assert line.startswith(complaint)
