"""multilog under load: nothing is lost, compared to the byte."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Semaphore, Thread

import pytest

from pytools.multilog.files import PAUSE_SECONDS
from tests.support.until import until

pytestmark = pytest.mark.timeout(600)
Popen = subprocess.Popen[bytes]
MEGABYTE = 1_000_000
BODY = b"".join(b"line %07d %s\n" % (n, b"y" * (n * 31 % 170)) for n in range(10_240))
BODY = BODY[: BODY.rindex(b"\n", 0, MEGABYTE - 16) + 1]


def blocks(count: int) -> Iterator[bytes]:
    """About a megabyte each: a numbered line, then some thousand that are the same."""
    for number in range(count):
        yield b"block %07d\n" % number
        yield BODY


def started(python: list[str], cwd: Path, *script: str, **how: int) -> Popen:
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    return subprocess.Popen([*python, "multilog", *script], cwd=cwd, env=env, **how)  # type: ignore[call-overload, no-any-return]


def logged(python: list[str], cwd: Path, count: int, *script: str) -> Iterator[bytes]:
    """Log that many megabytes; the files, oldest first, each removed when it is read."""
    child = started(python, cwd, *script, "./log", stdin=subprocess.PIPE)
    assert child.stdin is not None
    for block in blocks(count):
        child.stdin.write(block)
    child.stdin.close()
    assert child.wait(200) == 0
    for file in [*sorted((cwd / "log").glob("@*")), cwd / "log/current"]:
        yield file.read_bytes()
        file.unlink()


def test_a_gigabyte_comes_through_to_the_byte(
    python: list[str], tmp_path: Path
) -> None:
    expected, ahead = blocks(1000), b""
    for text in logged(python, tmp_path, 1000, "s16777215", "n99"):
        parts, size = [ahead], len(ahead)
        while size < len(text):
            parts.append(next(expected))
            size += len(parts[-1])
        whole = b"".join(parts)
        assert whole.startswith(text)
        ahead = whole[len(text) :]
    assert ahead == b""
    assert next(expected, None) is None


def test_labels_and_patterns_lose_no_line_of_100_megabytes(
    python: list[str], tmp_path: Path
) -> None:
    script = [
        "t",
        "s16777215",
        "n99",
        "-*",
        "+*line 00*",
        "+* block*",
        "-*line 00*7 y*",
    ]
    same = b"".join(
        line
        for line in BODY.splitlines(keepends=True)
        # The first 7 decides, if it is the one before the blank or not.
        if line.startswith(b"line 00") and line[7:].partition(b"7")[2][:2] != b" y"
    )
    text, last, number = b"", b"", 0
    for content in logged(python, tmp_path, 100, *script):
        lines = content.splitlines(keepends=True)
        labels = [line[:26] for line in lines]
        # Every label is later than the one before it.
        assert all(map(bytes.__lt__, [last, *labels], labels))
        last = labels[-1]
        text += b"".join([line[26:] for line in lines])
        while len(text) >= len(same) + 14:
            assert text.startswith(b"block %07d\n" % number + same)
            text = text[14 + len(same) :]
            number += 1
    assert (text, number) == (b"", 100)


def test_term_again_and_again_leaves_each_line_to_one_of_them(
    python: list[str], tmp_path: Path
) -> None:
    read_end, write_end = os.pipe()
    turns = Semaphore(0)

    def pump() -> None:
        with os.fdopen(write_end, "wb") as pipe:
            for number, block in enumerate(blocks(60)):
                # However fast the first of them is, it cannot read all there is.
                if number % 10 == 0:
                    pipe.flush()  # up to the end of a line
                    turns.acquire()
                pipe.write(block)

    pumping = Thread(target=pump, daemon=True)
    pumping.start()
    current = tmp_path / "log/current"

    def size() -> int:
        return current.stat().st_size if current.exists() else 0

    told = 0
    while pumping.is_alive():
        before = size()
        turns.release()
        child = started(python, tmp_path, "s16777215", "n99", "./log", stdin=read_end)

        def over_or_beyond(before: int = before, child: Popen = child) -> bool:
            return child.poll() is not None or size() != before

        # One that has written a line minds signals; with nothing left to read it ends.
        until(over_or_beyond)
        if child.poll() is None:
            told += 1
            child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    assert (
        started(python, tmp_path, "s16777215", "n99", "./log", stdin=read_end).wait(60)
        == 0
    )
    os.close(read_end)
    assert told > 1
    files = [*sorted((tmp_path / "log").glob("@*")), current]
    assert all(file.stat().st_mode & 0o777 == 0o744 for file in files)
    assert b"".join(file.read_bytes() for file in files) == b"".join(blocks(60))


@pytest.mark.usefixtures("as_root")
def test_full_disk_that_gets_room_again_costs_no_line(
    python: list[str], tmp_path: Path
) -> None:
    mounted = (
        'mount -t tmpfs -o size=3m none "$0" && cd "$0" && echo up >&2 && exec "$@"'
    )
    command = ["unshare", "-m", "sh", "-c", mounted, str(tmp_path), *python, "multilog"]
    child = subprocess.Popen(
        [*command, "s16777215", "./log", "s50000", "n99", "./small"],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stderr is not None
    assert child.stderr.readline() == b"up\n"
    inside = Path(f"/proc/{child.pid}/root{tmp_path}")
    filler = inside / "filler"
    filler.write_bytes(b"z" * 2_000_000)
    text = b"".join(blocks(1))
    # The last lines are held up until the disk has room again.
    feeding = Thread(target=child.stdin.write, args=(text,), daemon=True)
    began = time.monotonic()
    feeding.start()
    warning = child.stderr.readline()
    assert warning.startswith(b"multilog: warning: unable to write to ./")
    assert warning.endswith(b"/current, pausing: out of disk space\n")
    filler.unlink()
    pauses = (time.monotonic() - began) // PAUSE_SECONDS
    feeding.join()
    child.stdin.flush()

    def content(log: str) -> bytes:
        files = [*sorted((inside / log).glob("@*")), inside / log / "current"]
        return b"".join(file.read_bytes() for file in files if file.exists())

    until(lambda: len(content("log")) == len(content("small")) == len(text))
    assert content("log") == content("small") == text
    child.stdin.close()
    assert child.wait(60) == 0
    # One warning for one pause.
    more = child.stderr.read().splitlines(keepends=True)
    assert set(more) <= {warning}
    assert len(more) <= pauses
    child.stderr.close()
