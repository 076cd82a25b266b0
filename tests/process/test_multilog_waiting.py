"""multilog: how much waits in its memory, for a SIGKILL to take, during a rotation."""

from __future__ import annotations

import os
import subprocess
from array import array
from bisect import bisect_right
from fcntl import ioctl
from itertools import accumulate
from pathlib import Path
from termios import FIONREAD

import pytest

from tests.support.until import until

ORIGINAL_BLOCK = 1024
FED = 12000
"""It fits into the pipe at once."""
TURNS = 4
PROCESSOR = "!echo >>../begun; read line <../gate; cat"


def unread(pipe: int) -> int:
    """How many bytes are in the pipe."""
    size = array("i", [0])
    ioctl(pipe, FIONREAD, size)
    return size[0]


def logged(log: Path) -> bytes:
    """What the files of the log directory have, the one being processed among them."""
    files = [*sorted(log.glob("@*")), log / "previous", log / "current"]
    return b"".join(file.read_bytes() for file in files if file.exists())


@pytest.mark.parametrize("label", [[], ["t"]])
@pytest.mark.parametrize("longest", [1, 50, 900])
def test_waiting_for_a_processor_is_less_than_a_block_of_the_original(
    python: list[str], tmp_path: Path, label: list[str], longest: int
) -> None:
    log, begun = tmp_path / "log", tmp_path / "begun"
    os.mkfifo(tmp_path / "gate")
    gate = os.open(tmp_path / "gate", os.O_RDWR)
    lines = [b"x" * (n % longest) + b"\n" for n in range(FED)]
    ends = [0, *accumulate(map(len, lines))]
    del lines[bisect_right(ends, FED) - 1 :]
    size = ends[len(lines)]
    out, into = os.pipe()
    os.write(into, b"".join(lines))
    child = subprocess.Popen(
        [*python, "multilog", *label, "s4096", "n999", PROCESSOR, "./log"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        stdin=out,
    )
    os.close(out)
    try:
        for turn in range(1, TURNS + 1):
            until(lambda turn=turn: begun.stat().st_size == turn)  # type: ignore[misc]
            written = ends[logged(log).count(b"\n")]
            assert 0 <= size - unread(into) - written < ORIGINAL_BLOCK
            os.write(gate, b"\n")
    finally:
        os.close(into)
        # A line for every processor to come, of which none is to stay behind.
        os.write(gate, b"\n" * FED)
    try:
        assert child.wait(100) == 0
    finally:
        os.close(gate)
        child.kill()
        child.wait(20)
    start = 26 if label else 0
    assert [line[start:] for line in logged(log).splitlines(True)] == lines
