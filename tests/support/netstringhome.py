"""A qmail home with the launchers of QMTP and QMQP besides those of SMTP."""

from __future__ import annotations

from pathlib import Path

from tests.support.smtphome import Home

PROGRAMS = (b"qmail-qmtpd", b"qmail-qmqpd", b"qmail-qmqpc", b"qmail-inject")


def netstring_home(path: Path) -> Home:
    """The home, with its launchers."""
    return Home(path, PROGRAMS)
