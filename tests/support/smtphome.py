"""A qmail home for the SMTP programs: control files, launchers, a queue program."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pytools.process import launcher

PROGRAMS = (b"qmail-smtpd", b"qmail-remote", b"qmail-newmrh", b"softlimit")

# Stores what it gets, each message under its own number; says what $QQ_STATUS says.
QUEUE_PROGRAM = """#!/bin/sh
cat >"$STORE/$$.message"
cat <&1 >"$STORE/$$.envelope"
test -z "$QQ_TEXT" || printf %s "$QQ_TEXT" >&6
exit ${QQ_STATUS:-0}
"""


class Home:
    """A directory with control/, bin/, queue/lock/tcpto, and store/ for messages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("control", "bin", "queue/lock", "store"):
            (path / name).mkdir(parents=True)
        self.control(me=b"me.example\n", rcpthosts=b"ok.example\n")
        (path / "queue/lock/tcpto").write_bytes(bytes(1024))
        self._script("queue-program", QUEUE_PROGRAM.encode())
        for program in PROGRAMS:
            text = launcher.render(program, bytes(path))
            self._script(program.decode(), text)

    def _script(self, name: str, text: bytes) -> None:
        file = self.path / "bin" / name
        file.write_bytes(text)
        file.chmod(0o755)

    def control(self, **files: bytes) -> None:
        """Write control files."""
        for name, text in files.items():
            (self.path / "control" / name).write_bytes(text)

    def program(self, name: str) -> str:
        """The path of a launcher."""
        return str(self.path / "bin" / name)

    def environment(self, **more: str) -> dict[str, str]:
        """What tcpserver would hand on, and the way to the queue program."""
        return {
            "PATH": "/bin:/usr/bin",
            "QMAILQUEUE": self.program("queue-program"),
            "STORE": str(self.path / "store"),
            "TCPREMOTEIP": "192.0.2.1",
            "TCPLOCALHOST": "me.example",
            **more,
        }

    def smtpd(self, data: bytes, **more: str) -> subprocess.CompletedProcess[bytes]:
        """Run a whole session."""
        return subprocess.run(
            [self.program("qmail-smtpd")],
            input=data,
            env=self.environment(**more),
            cwd="/",
            capture_output=True,
            timeout=60,
            check=False,
        )

    def remote(
        self, *arguments: str, message: bytes = b"", timeout: float = 60
    ) -> list[bytes]:
        """Run qmail-remote, which always exits 0 and is silent but for its reports."""
        done = subprocess.run(
            [self.program("qmail-remote"), *arguments],
            input=message,
            env={"PATH": "/bin:/usr/bin"},
            cwd="/",
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.endswith(b"\0")
        return done.stdout.split(b"\0")[:-1]

    def stored(self) -> list[tuple[bytes, bytes]]:
        """(message, envelope) of all that the queue program got, whole envelopes only."""
        found = []
        for name in sorted(os.listdir(self.path / "store")):
            if name.endswith(".envelope"):
                envelope = (self.path / "store" / name).read_bytes()
                if envelope.endswith(b"\0\0"):
                    file = self.path / "store" / name.replace("envelope", "message")
                    found.append((file.read_bytes(), envelope))
        return found
