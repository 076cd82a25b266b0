"""pyqmail status: the screen, and that what it reads as root belongs to others."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from qmail.operator import cli, instcheck, overview
from qmail.operator.overview import LogLine, Service
from qmail.operator.places import Places

STAMP = b"@4000000037c219bf2ef02e94 "
UP = {
    "dir": "s",
    "problem": None,
    "supervised": True,
    "up": True,
    "pid": 12,
    "seconds": 3671,
    "since": "2026-11-22T10:00:00.0Z",
    "want": "up",
    "normally": "up",
    "paused": False,
    "ready": None,
    "starts": 1,
    "exit": None,
}
DOWN = {**UP, "up": False, "pid": None, "want": "down", "seconds": 5}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    return tmp_path / "log"


def shown(log: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What show_logs prints of the log directory of a service ``s``."""
    run = log.parent / "service/s/log/run"
    run.parent.mkdir(parents=True, exist_ok=True)
    run.write_text(f"#!/bin/sh\nexec multilog t {log}\n")
    places = Places(str(log.parent), str(log.parent))
    cli.show_logs(places, ["s"], 2)
    return capsys.readouterr().out.splitlines()[1:]


@pytest.mark.usefixtures("utc")
def test_status_shows_the_last_lines_with_local_times(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (log / "current").write_bytes(b"first\n" + STAMP + b"second\n\xc3\xbc\n")
    expected = ["1999-08-24 04:04:05 s second", "1999-08-24 04:04:05 s \xfc"]
    assert shown(log, capsys) == expected


def test_status_replaces_what_would_command_the_terminal(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (log / "current").write_bytes(b"\x1b]0;owned\x07\r\xc2\x9b2J \xe2\x80\xae\tx\n")
    assert shown(log, capsys) == [" " * 19 + " s ?]0;owned???2J ?\tx"]


def test_status_reads_no_fifo_and_follows_no_link(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(log / "current")
    complaint = f"unable to read {log}/current: "
    assert shown(log, capsys) == [complaint + "not a regular file"]
    (log / "current").unlink()
    (log / "secret").write_bytes(b"secret\n")
    (log / "current").symlink_to("secret")
    (line,) = shown(log, capsys)
    assert line.startswith(complaint)
    assert "secret" not in line


def test_tail_begins_with_a_whole_line(log: Path) -> None:
    lines = b"".join(b"%0100d\n" % n for n in range(2000))
    (log / "current").write_bytes(lines)
    text = overview.tail(f"{log}/current")
    assert len(overview.TAIL_BYTES * b"x") - 101 < len(text) <= overview.TAIL_BYTES
    assert lines.endswith(b"\n" + text)


def test_lines_of_all_logs_come_in_the_order_of_their_times() -> None:
    def label(second: int) -> bytes:
        return b"@%016x%08x " % (2**62 + 10 + second, 0)

    one = label(1) + b"a\n" + label(5) + b"e\nwithout\n"
    two = label(2) + b"b\n" + label(4) + b"d\n" + label(3) + b"late\n"
    lines = overview.recent([("one", one), ("two", two)], 100)
    assert [line.text for line in lines] == ["a", "b", "d", "late", "e", "without"]
    assert lines[-1] == LogLine(5_000_000_000, "one", "without")
    assert overview.recent([("one", one), ("two", two)], 2) == lines[-2:]
    assert overview.recent([("one", one)], 0) == []


def test_time_far_away_is_shown_as_unknown() -> None:
    (line,) = overview.log_lines("s", b"@" + b"f" * 24 + b" x\n")
    assert overview.when(line.time) == "?".ljust(19)


TABLE = [
    (UP, UP, ["s", "up", "12", "1h 1m", "1", "up"], True),
    (UP, None, ["s", "up", "12", "1h 1m", "1", "-"], True),
    (UP, DOWN, ["s", "up", "12", "1h 1m", "1", "down"], False),
    (DOWN, UP, ["s", "down", "-", "5s", "1", "up"], False),
    (
        {**DOWN, "want": "up", "starts": 7, "exit": {"code": 111, "at": "x"}},
        UP,
        ["s", "down", "-", "5s", "7", "up", "want up, last exit 111"],
        False,
    ),
    (
        {**UP, "starts": 2, "exit": {"signal": 9, "at": "x"}, "ready": False},
        UP,
        ["s", "up", "12", "1h 1m", "2", "up", "not ready, last killed by signal 9"],
        True,
    ),
    (
        {**UP, "paused": True, "want": "down", "normally": "down"},
        UP,
        ["s", "paused", "12", "1h 1m", "1", "up", "want down, normally down"],
        True,
    ),
    (
        {**DOWN, "supervised": False, "up": None, "want": None, "seconds": None},
        None,
        ["s", "unsupervised", "-", "-", "1", "-"],
        False,
    ),
]


@pytest.mark.parametrize(("state", "log", "cells", "is_well"), TABLE)
def test_service_is_one_line(
    state: dict[str, Any], log: dict[str, Any] | None, cells: list[str], is_well: bool
) -> None:
    heading, (line, well) = overview.table([Service("s", state, log)])
    assert heading[0].split() == ["service", "state", "pid", "for", "starts", "log"]
    assert re.split(r" {2,}", line) == cells
    assert well == is_well


def test_durations_have_two_units_at_most() -> None:
    expected = {0: "0s", 59: "59s", 60: "1m 0s", 3600: "1h 0m", 90061: "1d 1h"}
    assert {n: overview.duration(n) for n in expected} == expected


def test_services_are_asked_for_once_and_files_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b/log", "a", ".hidden"):
        (tmp_path / "service" / name).mkdir(parents=True)
    (tmp_path / "service/file").touch()
    asked: list[list[str]] = []

    def output(command: list[str], cwd: str, statuses: tuple[int, ...]) -> str:
        asked.append(command[1:])
        return "".join(json.dumps({**UP, "dir": name}) + "\n" for name in command[2:])

    monkeypatch.setattr(cli, "output", output)
    found = cli.services_of(Places(str(tmp_path), str(tmp_path)))
    assert asked == [["--json", "a", "b", "b/log"]]
    assert [(one.name, one.log is not None) for one in found] == [
        ("a", False),
        ("b", True),
    ]


def test_check_of_what_others_may_not_see_says_what_to_try(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refused(places: Places) -> int:
        raise PermissionError(13, "Permission denied", "/var/qmail/queue/pid")

    monkeypatch.setattr(instcheck, "report", refused)
    assert cli.main(["check"], str(tmp_path)) == 111
    assert capsys.readouterr().err == (
        "pyqmail: fatal: /var/qmail/queue/pid cannot be looked at\n"
        "...try: sudo pyqmail check\n"
    )
