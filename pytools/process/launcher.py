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

_HEAD = """\
#!{python} {flags}
import sys
sys.path[:0] = {path}
from pytools.process.launch import launch
"""
_CALL = b"launch(%a, %a)\n"


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
    return _head(python or sys.executable, path or search_path()) + _CALL % (
        program,
        home,
    )


def _head(python: str, path: list[str]) -> bytes:
    text = _HEAD.format(python=python, flags=FLAGS, path=path)
    return text.encode("utf-8", "surrogateescape")


_OWN_HEAD = _head(sys.executable, search_path())
"""PERF: made once, in the warm parent: to look at a file in a fresh child, which copies
every page that it writes to, then takes 24 page faults instead of 44."""


def parse(text: bytes) -> tuple[bytes, bytes] | None:
    """(program, home) if ``text`` is a launcher of this very runtime, else None."""
    if not text.startswith(_OWN_HEAD + b"launch(b'") or not text.endswith(b"')\n"):
        return None
    call = text[len(_OWN_HEAD) :]
    program, _, home = call[9:-3].partition(b"', b'")
    # Equality with what we would write is the whole test; the split only finds the
    # two words to write it with.
    return (program, home) if _CALL % (program, home) == call else None
