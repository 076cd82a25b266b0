"""A qmail home for the SMTP programs: control files, launchers, a queue program."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.support.launchers import install

PROGRAMS = (b"qmail-smtpd", b"qmail-remote", b"qmail-newmrh", b"softlimit")

# Stores what it gets, each message under its own number; says what $QQ_STATUS says.
QUEUE_PROGRAM = """#!/bin/sh
cat >"$STORE/$$.message"
cat <&1 >"$STORE/$$.envelope"
test -z "$QQ_TEXT" || printf %s "$QQ_TEXT" >&6
exit ${QQ_STATUS:-0}
"""


class Home:
    """A directory with control/, bin/, queue/lock/, and store/ for messages.

    ``more``: programs to have in bin/ besides those of SMTP.
    """

    def __init__(self, path: Path, more: Iterable[bytes] = ()) -> None:
        self.path = path
        for name in ("control", "bin", "queue/lock", "store"):
            (path / name).mkdir(parents=True)
        self.control(me=b"me.example\n", rcpthosts=b"ok.example\n")
        (path / "queue/lock/tcpto").write_bytes(bytes(1024))
        (path / "queue/lock/tcpto6").write_bytes(bytes(1792))
        self.script("queue-program", QUEUE_PROGRAM)
        install(path / "bin", (*PROGRAMS, *more), path)

    def script(self, name: str, text: str) -> str:
        """Write a script into bin/; its path."""
        file = self.path / "bin" / name
        file.write_text(text)
        file.chmod(0o755)
        return str(file)

    def control(self, **files: bytes) -> None:
        """Write control files."""
        for name, text in files.items():
            (self.path / "control" / name).write_bytes(text)

    def make_unreadable(self, name: str) -> None:
        """Put a directory in the place of a control file: even root cannot read it."""
        file = self.path / "control" / name
        file.unlink(missing_ok=True)
        file.mkdir()

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
        """Run a whole session of qmail-smtpd."""
        return self.run("qmail-smtpd", data, **more)

    def run(
        self, program: str, data: bytes, **more: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a whole session of a server."""
        return subprocess.run(
            [self.program(program)],
            input=data,
            env=self.environment(**more),
            cwd="/",
            capture_output=True,
            timeout=60,
            check=False,
        )

    def remote(
        self, *arguments: str, message: bytes = b"", timeout: float = 60, **more: str
    ) -> list[bytes]:
        """Run qmail-remote, which always exits 0 and is silent but for its reports.

        The message is in a file, as qmail-rspawn has it.
        """
        file = self.path / "message"
        file.write_bytes(message)
        with open(file, "rb") as stdin:
            done = subprocess.run(
                [self.program("qmail-remote"), *arguments],
                stdin=stdin,
                env={"PATH": "/bin:/usr/bin", **more},
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
