"""Reads what netqmail 1.06 gave: the text files of this directory."""

from __future__ import annotations

import codecs
from pathlib import Path

HERE = Path(__file__).parent


def fields_of(line: str) -> list[bytes]:
    """The fields of a line, as bytes."""
    return [codecs.escape_decode(field)[0] for field in line.split("\t")]


def routes() -> list[tuple[dict[str, bytes], list[list[bytes]]]]:
    """The sets of rewriting.txt: control files, and what became of recipients."""
    found = []
    for block in (HERE / "rewriting.txt").read_text("ascii").split("\n\n")[1:]:
        controls = {}
        rows = []
        for line in block.strip("\n").split("\n"):
            if line.startswith(": "):
                name, content = line[2:].split("\t")
                (controls[name],) = fields_of(content)
            else:
                rows.append(fields_of(line))
        found.append((controls, rows))
    return found


def bounces(section: str) -> list[list[bytes | None]]:
    """The rows of a section of bounces.txt; None for what is not there."""
    text = (HERE / "bounces.txt").read_text("ascii")
    _, _, rest = text.partition(f"\n[{section}] ")
    lines = rest.partition("\n\n")[0].split("\n")[1:]
    return [
        [None if field == b"-" else field for field in fields_of(line)]
        for line in lines
        if line
    ]
