"""svstat --json and --quiet: lines, and an exit status for scripts."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.process.test_service_tools import make_places
from tests.support import services
from tests.support.services import is_up, make_service, read_status, send, supervised
from tests.support.until import until


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    return services.install(tmp_path / "bin")


def svstat(tools: Path, *words: str | bytes) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(
        [tools / "svstat", *words], cwd=tools.parent, capture_output=True, timeout=20
    )
    assert done.stderr == b""
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_report_of_a_running_service_has_all_that_svstat_tells(
    tmp_path: Path, tools: Path
) -> None:
    service = make_service(tmp_path / "s", "exec sleep 1000")
    with supervised(service, str(tools / "supervise")):
        until(lambda: is_up(service))
        status = read_status(service)
        answer, lines = svstat(tools, "--json", "s", str(service))
        assert answer == 0
        seen = lines[0]
        assert [line.pop("dir") for line in lines] == ["s", str(service)]
        assert (seen["up"], seen["pid"]) == (True, status.pid)
        assert seen["since"].endswith(f".{status.nanoseconds:09}Z")
        assert (seen["want"], seen["normally"], seen["paused"]) == ("up", "up", False)
        (service / "down").touch()
        send(service, b"op")
        until(lambda: read_status(service).paused)
        [seen] = svstat(tools, "--json", "s")[1]
        assert (seen["want"], seen["normally"]) == ("once", "down")
        assert seen["paused"] is True
        assert svstat(tools, "--quiet", "s", "s") == (0, [])


def test_report_exit_status_is_that_of_the_worst(tmp_path: Path, tools: Path) -> None:
    make_places(tmp_path)
    assert svstat(tools, "--json") == (0, [])
    assert svstat(tools, "--quiet", "future") == (0, [])
    assert svstat(tools, "--quiet", "future", "dead", "future") == (100, [])
    assert svstat(tools, "--quiet", "futuredown") == (100, [])
    assert svstat(tools, "--quiet", "dead", "none", "dead") == (111, [])


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("none", "unable to chdir: file does not exist"),
        ("", "unable to chdir: file does not exist"),
        ("file", "unable to chdir: not a directory"),
        ("loop", "unable to chdir: symbolic link loop"),
        ("new", "unable to open supervise/ok: file does not exist"),
        ("odd", "unable to open supervise/ok: is a directory"),
        ("downloop", "unable to stat down: symbolic link loop"),
        ("nostatus", "unable to open supervise/status: file does not exist"),
        ("short", "unable to read supervise/status: bad format"),
    ],
)
def test_report_problem_is_in_the_words_of_svstat(
    tmp_path: Path, tools: Path, name: str, problem: str
) -> None:
    make_places(tmp_path)
    answer, [seen] = svstat(tools, "--json", name)
    assert (answer, seen["problem"], seen["up"]) == (111, problem, None)
    plain = subprocess.run([tools / "svstat", name], cwd=tmp_path, capture_output=True)
    assert plain.stdout.decode() == f"{name}: {problem}\n"


def test_report_of_a_service_without_supervise(tmp_path: Path, tools: Path) -> None:
    make_places(tmp_path)
    answer, [seen] = svstat(tools, "--json", "dead")
    assert (answer, seen["supervised"], seen["up"]) == (100, False, None)
    assert seen["problem"] is None


def test_report_name_that_is_no_utf_8(tmp_path: Path, tools: Path) -> None:
    name = b'\xff"\\\n\x01\xc3\xa9'
    os.mkdir(bytes(tmp_path) + b"/" + name)
    _, [seen] = svstat(tools, "--json", name)
    assert seen["dir"] == '\ufffd"\\\n\x01\xe9'
