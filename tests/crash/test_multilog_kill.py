"""multilog, the program, killed before every change it makes to the file system.

A forked multilog works on real files; before the change number ``n`` it kills itself with
SIGKILL. Another one is killed in the start that follows, and a third one ends in order.

The guarantee    what ``write`` took is in the log, once and in order. What multilog had
                 read and not written is gone, as with the original: a line that was not
                 whole yet, and what was left of the block that was being written.
"""

from __future__ import annotations

import os
import posix
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from pytools.base.signals import SIGALRM, SIGTERM, SelfPipe
from pytools.commands import multilog
from pytools.multilog.directory import LogDirectory
from pytools.multilog.loop import Loop
from pytools.multilog.script import parse

LINES = b"".join(b"%04d %s\n" % (n, b"x" * (n * 37 % 600)) for n in range(30))
CHANGES = {"open", "write", "fsync", "fchmod", "rename", "link", "unlink", "mkdir"}
MOST_CHANGES = 300
PARTS = 8
"""Tests, each of every eighth change: all in one may take a slow disk minutes."""


class Deadly:
    """``posix`` for a log directory, up to the change number ``fatal``.

    What ``write`` took is written to ``taken`` as well.
    """

    def __init__(self, fatal: int, taken: int) -> None:
        self._left = fatal
        self._taken = taken

    def __getattr__(self, name: str) -> Callable[..., object]:
        call: Callable[..., object] = getattr(posix, name)
        if name not in CHANGES:
            return call

        def changing(*arguments: bytes) -> object:
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= 1
            result = call(*arguments)
            if name == "write":
                posix.write(self._taken, bytes(arguments[1])[: cast("int", result)])
            return result

        return changing


def in_a_fork(place: Path, work: Callable[[], object]) -> int:
    """Do the work in a process of its own, in ``place``; its wait status."""
    pid = os.fork()
    if not pid:
        status = 111
        try:
            os.chdir(place)
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1]


def killed(place: Path, script: list[bytes], text: bytes, fatal: int) -> bool:
    """Run multilog on the text; False if it ended before the fatal change."""

    def work() -> None:
        (place / "input").write_bytes(text)
        os.dup2(os.open("input", os.O_RDONLY), 0)
        taken = os.open("taken", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        parsed = parse(script)
        start = os.open(".", os.O_RDONLY)
        signals = SelfPipe((SIGTERM, SIGALRM))
        deadly: Any = Deadly(fatal, taken)
        logs = [LogDirectory(spec, start, fs=deadly) for spec in parsed.directories]
        Loop(parsed, [], logs, signals).run()
        for log in logs:
            log.close()

    status = in_a_fork(place, work)
    assert status in (0, signal.SIGKILL)
    return status != 0


def end_in_order(place: Path, script: list[bytes]) -> None:
    def work() -> None:
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        assert multilog.main([b"multilog", *script]) == 0

    assert in_a_fork(place, work) == 0


def logged(place: Path) -> bytes:
    log = place / "log"
    files = [*sorted(log.glob("@*")), log / "current"]
    return b"".join(file.read_bytes() for file in files)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("words", ["s4096 n99", "s4096 n99 !cat"])
def test_what_was_written_is_there_once_after_a_kill_at_any_change(
    tmp_path: Path, words: str, part: int
) -> None:
    script = [*map(str.encode, words.split()), b"./log"]
    for fatal in range(part, MOST_CHANGES, PARTS):
        place = tmp_path / str(fatal)
        place.mkdir()
        if not killed(place, script, LINES, fatal):
            break
        # The start after it is killed as well, or what it logs, somewhere.
        killed(place, script, b"after\n", fatal % 17)
        end_in_order(place, script)
        taken = (place / "taken").read_bytes()
        assert logged(place) == taken
        assert LINES.startswith(taken.removesuffix(b"after\n"))
        left = {file.name for file in (place / "log").iterdir()}
        assert {n for n in left if n[0] != "@"} == {"lock", "current", "state"}
    assert fatal in range(40, MOST_CHANGES)
    assert (place / "taken").read_bytes() == logged(place) == LINES
