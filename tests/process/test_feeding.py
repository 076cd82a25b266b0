"""Programs that run another with a message of which a part cannot be read."""

from __future__ import annotations

import os
import subprocess
import tty
from pathlib import Path

import pytest

from pytools.process import launcher
from tests.support.forked import PATH
from tests.support.until import until

PROGRAMS = ("preline", "predate", "dot-forward", "fastforward", "setforward")
STORE = "#!/bin/sh\ncat >part; mv part whole\n"
COPY = b"preline: fatal: unable to copy input: input/output error\n"
READ = b": fatal: unable to read %b: input/output error\n"
LINES = {"UFLINE": "F\n", "RPLINE": "R\n", "DTLINE": "D\n"}
RECIPIENT = {"RECIPIENT": "p@h", "LOCAL": "p", "HOST": "h", "USER": "u"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("bin", "control"):
        (tmp_path / name).mkdir()
    (tmp_path / "control/me").write_text("me.example\n")
    (tmp_path / ".forward").write_text('"|./store"\n')
    (tmp_path / "store").write_text(STORE)
    (tmp_path / "store").chmod(0o755)
    for name in PROGRAMS:
        file = tmp_path / "bin" / name
        file.write_bytes(launcher.render(name.encode(), os.fsencode(tmp_path)))
        file.chmod(0o755)
    words = ["bin/setforward", "t.cdb", "t.tmp"]
    subprocess.run(words, input=b"p@h: !./store;", cwd=tmp_path, check=True)
    return tmp_path


def start(home: Path, *words: str, stdin: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        words,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=home,
        env={**LINES, **RECIPIENT, "PATH": f"{home}/bin:{PATH}"},
    )


def half() -> tuple[int, int]:
    """(half of a message, and what is to be closed for the error after it)."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.write(slave, b"Subject: x\n\nfirst half\n")
    return master, slave


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["preline", "./store"], COPY),
        (["fastforward", "t.cdb"], COPY),
        (["preline", "sh", "-c", "cat | ./store && true"], COPY),
        (["dot-forward", ".forward"], b"dot-forward" + READ % b"message"),
        (["predate", "./store"], b"predate" + READ % b"input"),
    ],
)
def test_half_of_a_message_is_not_taken_for_the_whole(
    home: Path, words: list[str], said: bytes
) -> None:
    message, end = half()
    with start(home, *words, stdin=message) as child:
        os.close(message)
        until((home / "part").exists, what="the program that reads it")
        os.close(end)
        # Until all who have the descriptor are gone, those left behind too.
        out, _ = child.communicate(timeout=60)
    assert (child.returncode, out) == (111, said)
    assert not (home / "whole").exists()


@pytest.mark.parametrize("ignore", [[], ["env", "--ignore-signal=CHLD"]])
def test_error_after_the_program_has_ended_is_told_not_traced(
    home: Path, ignore: list[str]
) -> None:
    message, end = half()
    words = [*ignore, "preline", "sh", "-c", "echo $$ >pid.new; mv pid.new pid"]
    with start(home, *words, stdin=message) as child:
        os.close(message)
        until((home / "pid").exists, what="the program runs")
        state = Path("/proc") / (home / "pid").read_text().strip() / "stat"
        until(lambda: not alive(state), what="the program has ended")
        os.close(end)
        out, _ = child.communicate(timeout=60)
    assert (child.returncode, out) == (111, COPY)


def alive(state: Path) -> bool:
    try:
        return state.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
