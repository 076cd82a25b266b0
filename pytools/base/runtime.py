"""What this process is at the moment: which program, installed where.

The runner sets both before it calls a program's main; like the environment and the
working directory they belong to the process, not to a module: a chain replaces them.
"""

from __future__ import annotations

DEFAULT_HOME = b"/var/qmail"

program: bytes = b""
"""The name of the running program, for example ``b"qmail-smtpd"``."""

home: bytes = DEFAULT_HOME
"""The qmail home directory the running program's launcher was installed in."""

kept: frozenset[int] = frozenset()
"""Descriptors of the process and not of its program, all close-on-exec: an exec that is
only acted out leaves them open (pytools/ucspi/worker.py); a fork and an exec close them.
"""
