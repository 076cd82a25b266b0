"""readproctitle as a process: what ps would show of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pytools.process import child
from tests.support import services
from tests.support.services import command_line
from tests.support.until import until

RING = "." * 60


@pytest.fixture
def program(tmp_path: Path) -> str:
    return str(services.install(tmp_path / "bin") / "readproctitle")


def test_readproctitle_input_shows_in_the_command_line(program: str) -> None:
    with subprocess.Popen(
        [program, "service", "errors:", RING], stdin=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        head = b"readproctitle service errors: "
        until(lambda: command_line(process.pid) == head + RING.encode())
        process.stdin.write(b"one\n")
        process.stdin.flush()
        until(lambda: command_line(process.pid) == head + b"." * 56 + b"one")
        process.stdin.write(b"t\0wo\n" + b"." * 100 + b"end")
        process.stdin.flush()
        until(lambda: command_line(process.pid) == head + b"." * 57 + b"end")
        process.stdin.close()
        assert process.wait(60) == 0


def test_readproctitle_forked_uses_the_memory_of_its_parent() -> None:
    from pytools.commands import readproctitle

    read_end, write_end = os.pipe()

    def body() -> int:
        os.dup2(read_end, 0)
        os.close(write_end)
        return readproctitle.main([b"readproctitle", b"errors:", b"." * 4000])

    pid = child.fork(body)
    os.close(read_end)
    os.write(write_end, b"something is wrong")
    until(lambda: command_line(pid).endswith(b"something is wrong"))
    os.close(write_end)
    assert child.wait_for(pid) == 0


@pytest.mark.parametrize(
    "arguments", [[], ["abcd"], ["long enough", ""]], ids=["none", "short", "empty"]
)
def test_readproctitle_without_room_is_100(program: str, arguments: list[str]) -> None:
    result = subprocess.run(
        [program, *arguments], input=b"", capture_output=True, timeout=60
    )
    assert (result.returncode, result.stdout, result.stderr) == (100, b"", b"")


def test_readproctitle_unreadable_input_is_111(program: str) -> None:
    with open("/dev/null", "wb") as write_only:
        result = subprocess.run([program, "12345"], stdin=write_only, timeout=60)
    assert result.returncode == 111
