"""fghack, recordio, fixcrio, addcr and delcr as processes: pids, descriptors, deadlock."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.support.launchers import install
from tests.support.leftovers import nothing_left_over
from tests.support.until import until

PROGRAMS = (
    b"addcr",
    b"delcr",
    b"envdir",
    b"fghack",
    b"fixcrio",
    b"pgrphack",
    b"recordio",
)
MANY = 5_000_000


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    """Launchers, so that the programs know each other as their own."""
    return install(tmp_path / "bin", PROGRAMS, "/var/qmail")


def run(*command: str | Path, data: bytes = b"") -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        [str(word) for word in command], input=data, capture_output=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("program", ["recordio", "fixcrio"])
def test_program_has_the_pid_of_the_copiers_parent(bin_dir: Path, program: str) -> None:
    with subprocess.Popen(
        [bin_dir / program, "sh", "-c", "cat >/dev/null; echo $$"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert int(process.stdout.read()) == process.pid


@pytest.mark.parametrize("program", ["recordio", "fixcrio"])
def test_both_directions_at_once_and_no_byte_lost(bin_dir: Path, program: str) -> None:
    # Both ends send before they read: a copier that waits for one of them hangs.
    text = random.Random(1).randbytes(MANY).replace(b"\n", b"x")
    with nothing_left_over():
        here, there = socket.socketpair()
        with here, there:
            loud = "head -c 5000000 /dev/zero; cat | cksum"
            process = subprocess.Popen(
                [bin_dir / program, "sh", "-c", loud],
                stdin=there.fileno(),
                stdout=there.fileno(),
                stderr=subprocess.DEVNULL,
            )
            there.close()

            def send() -> None:
                here.sendall(text)
                here.shutdown(socket.SHUT_WR)

            sender = threading.Thread(target=send)
            sender.start()
            received = bytearray()
            while block := here.recv(1 << 16):
                received += block
            sender.join()
            assert process.wait(60) == 0
    assert received[:MANY] == bytes(MANY)
    expected = run("cksum", data=text)[1]
    if program == "fixcrio":
        expected = expected.replace(b"\n", b"\r\n")
    assert bytes(received[MANY:]) == expected


def test_log_of_recordio_holds_every_byte(bin_dir: Path) -> None:
    text = random.Random(2).randbytes(100_000)
    status, output, log = run(bin_dir / "recordio", "cat", data=text)
    assert (status, output) == (0, text)
    said = {b"<": b"", b">": b""}
    label = log.split(b" ", 1)[0]
    for entry in log.split(b"\n" + label + b" "):
        entry = entry.removeprefix(label + b" ").removesuffix(b"\n")
        direction, data = entry[:1], entry[2:]
        if data != b"[EOF]":
            end = b"\n" if data.endswith(b" ") else b""
            said[direction] += data[:-1] + end
    assert said == {b"<": text, b">": text}


def test_recordio_runs_without_a_log(bin_dir: Path) -> None:
    line = f"printf 'a\\nb' | {bin_dir}/recordio sh -c 'cat; exit 3' 2>&-; echo $?"
    status, output, _ = run("/bin/sh", "-c", f"({line}) | cat")
    assert status == 0
    assert sorted(output) == sorted(b"a\nb3\n")


def test_copier_ends_when_the_peer_has_gone(bin_dir: Path) -> None:
    with nothing_left_over():
        process = subprocess.Popen(
            [bin_dir / "fixcrio", "yes"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        # The program gets a broken pipe of its own in turn.
        assert process.wait(60) == -13


def test_each_word_is_copied_at_once(bin_dir: Path) -> None:
    with subprocess.Popen(
        [bin_dir / "recordio", "cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for word in (b"a", b"line\n", b"more"):
            process.stdin.write(word)
            process.stdin.flush()
            # Each comes back before the next one is sent.
            assert os.read(process.stdout.fileno(), 100) == word
        process.stdin.close()
        assert process.stdout.read() == b""


@pytest.mark.parametrize("chain", [[], ["envdir", "<EMPTY>"], ["pgrphack"]])
def test_fghack_waits_for_a_grandchild(
    bin_dir: Path, tmp_path: Path, chain: list[str]
) -> None:
    # The chain is of our own programs: no exec lies between fghack's child and sh.
    (tmp_path / "empty").mkdir()
    words = [word.replace("<EMPTY>", str(tmp_path / "empty")) for word in chain]
    if words:
        words[0] = f"{bin_dir}/{words[0]}"
    flag = tmp_path / "flag"
    script = f"(until test -e {flag}; do sleep 0.01; done) & exit 5"
    process = subprocess.Popen([bin_dir / "fghack", *words, "sh", "-c", script])
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until(lambda: children.read_text() and is_zombie(int(children.read_text())))
    assert process.poll() is None
    flag.touch()
    assert process.wait(60) == 5


def is_zombie(pid: int) -> bool:
    return " Z " in Path(f"/proc/{pid}/stat").read_text()


@pytest.mark.parametrize("program", ["addcr", "delcr"])
def test_filter_writes_each_block_before_it_reads_the_next(
    bin_dir: Path, program: str
) -> None:
    with subprocess.Popen(
        [bin_dir / program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"one\n")
        process.stdin.flush()
        expected = b"one\r\n" if program == "addcr" else b"one\n"
        assert os.read(process.stdout.fileno(), 100) == expected
        process.stdin.close()


def test_delcr_undoes_addcr(bin_dir: Path) -> None:
    text = random.Random(3).randbytes(1_000_000) + b"\r"
    line = f"{bin_dir}/addcr | {bin_dir}/delcr"
    assert run("/bin/sh", "-c", line, data=text) == (0, text, b"")
