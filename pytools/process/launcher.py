"""The few lines in a file of bin/: the launcher of a program.

A launcher names everything that decides what runs: the interpreter, where the code
lies, the program, and the qmail home it was installed in. So "is this file our own
program?" has an exact answer: its bytes are what this very runtime would write.
"""

from __future__ import annotations

import sys

import pytools

FLAGS = "-ISBXutf8"
"""Isolated, without site, no bytecode written, bytes in and out unchanged."""

_TEMPLATE = """\
#!{python} {flags}
import sys
sys.path[:0] = {path}
from pytools.process.launch import launch
launch({program!r}, {home!r})
"""


def search_path() -> list[str]:
    """The directories our own code and its libraries are imported from."""
    own = pytools.__path__[0].rpartition("/")[0]
    return [own, *(entry for entry in sys.path if entry.endswith("-packages"))]


def render(
    program: bytes,
    home: bytes,
    python: str | None = None,
    path: list[str] | None = None,
) -> bytes:
    """The launcher of ``program``, by default for the runtime we run from."""
    text = _TEMPLATE.format(
        python=python or sys.executable,
        flags=FLAGS,
        path=path or search_path(),
        program=program,
        home=home,
    )
    return text.encode("utf-8", "surrogateescape")


def parse(text: bytes) -> tuple[bytes, bytes] | None:
    """(program, home) if ``text`` is a launcher of this very runtime, else None."""
    _head, marker, tail = text.rpartition(b"\nlaunch(b'")
    if not marker or not tail.endswith(b"')\n"):
        return None
    program, _, home = tail[:-3].partition(b"', b'")
    # Equality with what we would write is the whole test; the split only finds the
    # two words to write it with.
    return (program, home) if render(program, home) == text else None
