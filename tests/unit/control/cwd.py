"""The working directory, for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytools.base import runtime


@contextmanager
def inside(directory: Path) -> Iterator[None]:
    """Work in ``directory``; afterwards everything of the process is as it was."""
    before = os.getcwd()
    home, program = runtime.home, runtime.program
    mask = os.umask(0o022)
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)
        os.umask(mask)
        runtime.home, runtime.program = home, program
