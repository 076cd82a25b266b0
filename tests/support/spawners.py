"""A qmail home with a queue, and a spawner at work in it, for tests.

Run by root, everything belongs to uid and gid 65534, who play all roles of qmail; else
to whoever runs the tests.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytools.base.cdb import database
from pytools.process import launcher
from qmail.control.users import parse_assign
from qmail.spawn.records import Command, ReportDecoder, encode_command

NOBODY = 65534
CHECKOUT = Path(__file__).resolve().parent.parent.parent


def actor() -> tuple[int, int]:
    """The uid and gid that the tests deliver as."""
    if os.geteuid() == 0:
        return NOBODY, NOBODY
    return os.getuid(), os.getgid()


class Home:
    """A qmail home below /tmp that other users may enter."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.uid, self.gid = actor()
        path.chmod(0o755)
        for name in ("bin", "users", "control", "queue/mess/0", "queue/lock", "user"):
            directory = path / name
            directory.mkdir(parents=True)
            directory.chmod(0o755)
        for name in ("queue", "queue/mess"):
            (path / name).chmod(0o755)
        (path / "trial").write_text(f"{self.uid} {self.gid}\n")
        os.chown(path / "user", self.uid, self.gid)
        self.message("23", b"Subject: hello\n\nworld\n")

    def message(self, name: str, content: bytes) -> Path:
        """A message file of the queue."""
        file = self.path / "queue/mess/0" / name
        file.write_bytes(content)
        file.chmod(0o644)
        os.chown(file, self.uid, self.gid)
        return file

    def program(self, name: str, body: str) -> Path:
        """A foreign program in bin: a shell script."""
        file = self.path / "bin" / name
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(0o755)
        return file

    def launcher(self, name: str) -> Path:
        """One of our own programs in bin."""
        file = self.path / "bin" / name
        file.write_bytes(launcher.render(name.encode(), os.fsencode(self.path)))
        file.chmod(0o755)
        return file

    def assign(self, text: str) -> None:
        """Write users/cdb for these lines; ``U`` stands for user, uid, gid and home."""
        who = f"someone:{self.uid}:{self.gid}:{self.path}/user"
        records = parse_assign(text.replace("U", who).encode() + b".\n")
        (self.path / "users/cdb").write_bytes(database(records))


@contextmanager
def made_home() -> Iterator[Home]:
    """A home of its own, removed at the end."""
    path = Path(tempfile.mkdtemp(prefix="pyqmail-spawn-"))
    try:
        yield Home(path)
    finally:
        shutil.rmtree(path)


class Spawner:
    """A running spawner and the two pipes to it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.commands = process.stdin.fileno()
        self.reports = process.stdout.fileno()
        self._decoder = ReportDecoder()
        self.limit = self._read(1)

    def _read(self, size: int, seconds: float = 30.0) -> bytes:
        ready, _, _ = select.select([self.reports], [], [], seconds)
        assert ready, f"the spawner said nothing within {seconds} s"
        return os.read(self.reports, size)

    def order(
        self,
        number: int = 0,
        recipient: bytes = b"joe@host",
        *,
        messid: bytes = b"0/23",
        sender: bytes = b"from@there",
    ) -> None:
        """Write one command."""
        command = Command(number, messid, sender, recipient)
        os.write(self.commands, encode_command(command))

    def report(self, seconds: float = 30.0) -> tuple[int, bytes]:
        """The next report."""
        deadline = time.monotonic() + seconds
        while (report := self._decoder.next_report()) is None:
            data = self._read(4096, max(deadline - time.monotonic(), 0))
            assert data, "the spawner ended before its report"
            self._decoder.receive(data)
        return report

    def deliver(self, recipient: bytes = b"joe@host", messid: bytes = b"0/23") -> bytes:
        """The report of one delivery."""
        self.order(7, recipient, messid=messid)
        number, report = self.report()
        assert number == 7
        return report

    def silent(self, seconds: float) -> bool:
        """True if no report comes for so long."""
        return not select.select([self.reports], [], [], seconds)[0]

    def end_commands(self) -> None:
        """Let the spawner read end of file."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def finish(self) -> int:
        """End the commands and wait; the exit status."""
        self.end_commands()
        return self.process.wait(30)


DRIVER = """\
import sys
sys.path.insert(0, {checkout!r})
from tests.support import {module}
{module}.install()
del sys.path[0]
from pytools.process.launch import launch
launch({program!r}, {home!r})
"""


@contextmanager
def spawner(
    home: Home,
    program: str,
    *args: str,
    fakes: str | None = None,
    env: dict[str, str] | None = None,
) -> Iterator[Spawner]:
    """Run the spawner in ``home``; ``fakes`` names a module of tests.support whose
    ``install`` puts mains of its own in the place of ours first."""
    python = [sys.executable, "-BXutf8"]
    if fakes is None:
        command = [*python, "-m", "pytools.process.launch", program, *args]
    else:
        text = DRIVER.format(
            checkout=str(CHECKOUT),
            module=fakes,
            program=program.encode(),
            home=os.fsencode(home.path),
        )
        command = [*python, "-c", text, *args]
    process = subprocess.Popen(
        command,
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYQMAIL_TEST_HOME": str(home.path)}
        | (env or {}),
    )
    try:
        yield Spawner(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()
