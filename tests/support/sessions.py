"""What every server of a home must stand: clients in a row, floods, limits of size."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from tests.support.smtphome import Home

FLOOD_SECONDS = 15
"""CPU time that a whole flood may take."""
SWALLOW = "#!/bin/sh\ncat >/dev/null\ncat <&1 >/dev/null\n"
"""A queue program that takes everything."""
TWICE = """
import importlib, posix, sys
from pytools.base import runtime
from pytools.base.environment import environ
home, name, second_input, statuses = sys.argv[1:]
main = importlib.import_module("qmail.commands." + name.replace("-", "_")).main
runtime.home = home.encode()
before = posix.listdir("/proc/self/fd")
first = main([name.encode()])
environ.pop(b"RELAYCLIENT")
posix.dup2(int(second_input), 0)
second = main([name.encode()])
assert before == posix.listdir("/proc/self/fd")
posix.write(int(statuses), b"%d %d" % (first, second))
"""


def databytes_rows(size: int) -> list[tuple[bytes, dict[str, str], bool]]:
    """(control/databytes, environment, whether a message of that size gets in)."""
    return [
        (b"10", {}, False),
        (b"10", {"DATABYTES": "0"}, True),
        (b"0", {"DATABYTES": "10"}, False),
        (b"%d" % (size - 1), {}, False),
        (b"%d" % size, {}, True),
        (b"10", {"DATABYTES": "none"}, True),
    ]


@contextmanager
def listening(home: Home, program: str, sessions: int) -> Iterator[int]:
    """A port where the program serves so many sessions, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pid = os.fork()
        if pid == 0:
            try:
                for _ in range(sessions):
                    peer, _ = listener.accept()
                    subprocess.run(
                        [home.program(program)],
                        stdin=peer.fileno(),
                        stdout=peer.fileno(),
                        env=home.environment(),
                        check=False,
                    )
                    peer.close()
            finally:
                os._exit(0)
        try:
            yield listener.getsockname()[1]
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)


def two_on_one_process(
    home: Home, program: str, first: bytes, second: bytes
) -> tuple[list[int], bytes]:
    """A session with $RELAYCLIENT and one without: exit codes, and what was said.

    The process must have the same descriptors after both as before.
    """
    second_read, second_write = os.pipe()
    os.write(second_write, second)
    os.close(second_write)
    status_read, status_write = os.pipe()
    done = subprocess.run(
        [
            *(sys.executable, "-c", TWICE, home.path, program),
            *(str(second_read), str(status_write)),
        ],
        input=first,
        pass_fds=[second_read, status_write],
        capture_output=True,
        timeout=60,
        check=False,
        env=home.environment(RELAYCLIENT="", PYTHONPATH=os.getcwd()),
    )
    os.close(second_read)
    os.close(status_write)
    with open(status_read, "rb") as statuses:
        codes = [int(word) for word in statuses.read().split()]
    assert (done.returncode, done.stderr) == (0, b"")
    return codes, done.stdout


def flood(
    home: Home,
    program: str,
    limit: int,
    chunks: tuple[bytes, bytes, int, bytes],
    **more: str,
) -> tuple[int, bytes]:
    """What a program under ``softlimit -m`` comes to: exit code, end of what it said.

    ``chunks``: the start; what follows it again and again, to so many bytes; the end.
    It must be silent on stderr, and need little time.
    """
    start, chunk, total, ending = chunks
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = bytearray()
    with subprocess.Popen(
        [home.program("softlimit"), f"-m{limit}", home.program(program)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=home.environment(QMAILQUEUE=home.script("swallow", SWALLOW), **more),
        cwd="/",
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        reader = threading.Thread(target=_keep_tail, args=(process.stdout, said))
        reader.start()
        try:
            process.stdin.write(start)
            for _ in range(total // len(chunk)):
                process.stdin.write(chunk)
            process.stdin.write(ending)
        except BrokenPipeError:
            pass
        process.stdin.close()
        try:
            status = process.wait(30)
        finally:
            process.kill()
            reader.join(20)
        assert process.stderr.read() == b""
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < FLOOD_SECONDS
    return status, bytes(said)


def _keep_tail(stream: IO[bytes], tail: bytearray) -> None:
    while chunk := stream.read(65536):
        tail += chunk
        del tail[:-200]
