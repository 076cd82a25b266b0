"""What a cold command costs, beside a bare interpreter, and beside the original."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from pytools.process import launcher
from tests.bench.programs import Programs, original
from tests.bench.table import Contender, Row, measure

BENCH = "milliseconds from start to end, one after the other"
RUNS = 25
BARE = [sys.executable, "-" + launcher.FLAGS.lstrip("-"), "/dev/null"]


def rows() -> list[Row]:
    programs = Programs()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as place:
            Path(place, "run").touch()
            control = Path(programs.directory, "control")
            control.mkdir()
            (control / "me").write_text("me.example\n")
            result = [measure("(bare interpreter)", "ms", {"": contender(BARE)})]
            result += [_row(programs, words) for words in commands(place)]
            return result
    finally:
        programs.close()


def commands(place: str) -> list[list[str]]:
    """Short runs of commands that people and scripts start."""
    return [
        ["svok", place],
        ["svstat", place],
        ["svc", "-u", place],
        ["setlock", f"{place}/lock", "/bin/true"],
        ["envdir", place, "/bin/true"],
        ["softlimit", "-m", "50000000", "/bin/true"],
        ["setuidgid", "root", "/bin/true"],
        ["envuidgid", "root", "/bin/true"],
        ["pgrphack", "/bin/true"],
        ["fghack", "/bin/true"],
        ["argv0", "/bin/true", "true"],
        ["multilog", "-*"],
        ["tai64n"],
        ["tai64nlocal"],
        ["addcr"],
        ["delcr"],
        ["fixcrio", "/bin/true"],
        ["recordio", "/bin/true"],
        ["tcprules", f"{place}/cdb", f"{place}/tmp"],
        ["tcprulescheck", "/dev/null", "127.0.0.1"],
        ["qmail-inject", "-n", "a@example.org"],
        ["qmail-queue"],
        ["sendmail", "-bv"],
        ["qmail-qstat"],
    ]


def _row(programs: Programs, words: list[str]) -> Row:
    name, *arguments = words
    contenders = {
        "": contender([programs.path(name), *arguments]),
        "bare interpreter": contender(BARE),
    }
    theirs = None if name.startswith("qmail") else original(name)
    if theirs and name != "sendmail":
        contenders["C"] = contender([theirs, *arguments])
    return measure(
        " ".join((name, *(w for w in arguments if "/" not in w))), "ms", contenders
    )


def contender(command: list[str]) -> Contender:
    """Milliseconds a run, in the mean of some."""
    quiet = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]

    def run() -> float:
        began = time.monotonic()
        for _ in range(RUNS):
            pid = os.posix_spawn(
                command[0], command, {"PATH": "/bin:/usr/bin"}, file_actions=quiet
            )
            os.waitpid(pid, 0)
        return (time.monotonic() - began) / RUNS * 1000

    return run
