"""Launchers of our programs in a directory, as an installation writes them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pytools.process import launcher


def install(
    directory: Path, programs: Iterable[bytes], home: str | os.PathLike[str]
) -> Path:
    """Write those launchers, made for that home; the directory."""
    directory.mkdir(exist_ok=True)
    for program in programs:
        file = directory / program.decode()
        file.write_bytes(launcher.render(program, os.fsencode(home)))
        file.chmod(0o755)
    return directory


def begin_with(file: Path, *lines: str) -> None:
    """Have a launcher carry out these lines first, to change a constant say."""
    *head, call = file.read_text().splitlines()
    file.write_text("\n".join([*head, *lines, call, ""]))
