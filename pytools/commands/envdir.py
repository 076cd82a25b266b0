"""envdir: run a program with the environment changed as the files of a directory say.

Contract     envdir d child ...; a file d/NAME sets NAME to its first line, an empty file
             unsets it, names that begin with a dot are skipped.
Exit         111 also for a wrong usage, as in the original; else the program's own.
"""

from __future__ import annotations

import posix

from pytools.base import fds
from pytools.base.environment import edited, environ
from pytools.base.exits import Next, Strerr

STRERR = Strerr(b"envdir")


def next_program(argv: list[bytes]) -> list[bytes] | None:
    """The chain that will run."""
    return argv[2:] or None


def main(argv: list[bytes]) -> int:
    """Read the directory, then become the program."""
    if len(argv) < 3:
        raise STRERR.usage(b"envdir dir child", code=111)
    changes = read_directory(argv[1])
    raise Next(argv[2:], edited(environ, changes))


def read_directory(directory: bytes) -> dict[bytes, bytes | None]:
    """What the files say: values by name, None to unset."""
    try:
        start = posix.open(b".", posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    except OSError as error:
        raise STRERR.fatal(
            b"unable to switch to current directory", error=error
        ) from None
    try:
        posix.chdir(directory)
    except OSError as error:
        raise STRERR.fatal(
            b"unable to switch to directory ", directory, error=error
        ) from None
    try:
        names = posix.listdir(b".")
    except OSError as error:
        raise STRERR.fatal(
            b"unable to read directory ", directory, error=error
        ) from None
    changes: dict[bytes, bytes | None] = {}
    for name in names:
        if name.startswith(b"."):
            continue
        try:
            content = fds.read_file(name)
        except FileNotFoundError:
            # COMPAT: it went away since, or is a link to nothing: it unsets, like an
            # empty file. The original gives it the content of the file read before.
            content = b""
        except OSError as error:
            raise STRERR.fatal(
                b"unable to read ", directory, b"/", name, error=error
            ) from None
        # A name with an equals sign in it is cut there, as exec would have it, but not
        # before its first byte.
        entry = name if not content else name + b"=" + value_of(content)
        rest, equals, value = entry[1:].partition(b"=")
        changes[entry[:1] + rest] = value if equals else None
    try:
        posix.fchdir(start)
    except OSError as error:
        raise STRERR.fatal(
            b"unable to switch to starting directory", error=error
        ) from None
    posix.close(start)
    return changes


def value_of(content: bytes) -> bytes:
    """The first line without its trailing blanks; a NUL in it means a newline."""
    return content.partition(b"\n")[0].rstrip(b" \t").replace(b"\0", b"\n")
