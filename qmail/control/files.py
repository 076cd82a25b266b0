"""Control files: how their lines are read.

All names are relative to ``control/`` of the working directory, which is the qmail home
in every program that reads them. A missing file is a default; any other trouble is an
OSError, on which a program refuses to work rather than work wrongly.
"""

from __future__ import annotations

from pytools.base.fds import read_file
from pytools.base.options import scan_ulong


def _content(name: bytes) -> bytes | None:
    try:
        return read_file(b"control/" + name)
    except FileNotFoundError:
        return None


def readline(name: bytes) -> bytes | None:
    """The first line, without trailing blanks; None if there is no such file.

    COMPAT: a carriage return is kept, as the original does: a CRLF file breaks there,
    and must break here in the same place.
    """
    content = _content(name)
    if content is None:
        return None
    return content.partition(b"\n")[0].rstrip(b" \t")


def read_or_me(name: bytes, me: bytes | None) -> bytes | None:
    """The first line, or ``me`` (the line of control/me) if there is no such file."""
    line = readline(name)
    return me if line is None else line


def readint(name: bytes, default: int) -> int:
    """The leading digits of the first line; ``default`` without file or digits."""
    line = readline(name)
    if line is None:
        return default
    value, digits = scan_ulong(line)
    return value if digits else default


def readfile(name: bytes) -> list[bytes] | None:
    """All lines, without trailing blanks, comments and empty ones; None if no file."""
    content = _content(name)
    if content is None:
        return None
    lines = (line.rstrip(b" \t") for line in content.split(b"\n"))
    return [line for line in lines if line and not line.startswith(b"#")]
