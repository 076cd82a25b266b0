"""A qmail home with the launchers of QMTP and QMQP besides those of SMTP."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pytools.process import launcher
from tests.support.smtphome import Home

PROGRAMS = (b"qmail-qmtpd", b"qmail-qmqpd", b"qmail-qmqpc", b"qmail-inject")


def netstring_home(path: Path) -> Home:
    """The home, with its launchers."""
    home = Home(path)
    for program in PROGRAMS:
        file = path / "bin" / program.decode()
        file.write_bytes(launcher.render(program, bytes(path)))
        file.chmod(0o755)
    return home


def run(
    home: Home, program: str, data: bytes, **more: str
) -> subprocess.CompletedProcess[bytes]:
    """A whole session."""
    return subprocess.run(
        [home.program(program)],
        input=data,
        env=home.environment(**more),
        cwd="/",
        capture_output=True,
        timeout=60,
        check=False,
    )
