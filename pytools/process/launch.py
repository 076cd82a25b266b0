"""Where a launcher enters: a fresh interpreter becomes a program.

    python -m pytools.process.launch NAME ARG...

runs a program of this checkout without installing it ($PYQMAIL_TEST_HOME is its home).
"""

from __future__ import annotations

import posix
import sys

from pytools.base import signals
from pytools.base.environment import environ
from pytools.process.runner import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_COERCED = (b"C.UTF-8", b"C.utf8", b"UTF-8")


def launch(program: bytes, home: bytes) -> NoReturn:
    """Undo what the interpreter did to the process at its start, run, and exit."""
    signals.undo_interpreter()
    _undo_locale()
    argv = [word.encode("utf-8", "surrogateescape") for word in sys.argv]
    posix._exit(run(program, home, argv) & 255)


def _undo_locale() -> None:
    # CPython sets LC_CTYPE when it finds the C locale (PEP 538); the guide's rc starts
    # everything with an empty environment, and every |program would see it.
    if environ.get(b"LC_CTYPE") not in _COERCED:
        return
    try:
        fd = posix.open("/proc/self/environ", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        original = b""
    else:
        parts = []
        while chunk := posix.read(fd, 65536):
            parts.append(chunk)
        posix.close(fd)
        original = b"\0" + b"".join(parts)
    # It also overwrites an LC_CTYPE of "C", "POSIX", or of a locale that is not there.
    _, was_set, rest = original.partition(b"\0LC_CTYPE=")
    if was_set:
        environ[b"LC_CTYPE"] = rest.partition(b"\0")[0]
        posix.putenv(b"LC_CTYPE", environ[b"LC_CTYPE"])
    else:
        del environ[b"LC_CTYPE"]
        posix.unsetenv(b"LC_CTYPE")


def _from_checkout() -> NoReturn:
    name = sys.argv[1].encode("utf-8", "surrogateescape")
    home = environ.get(b"PYQMAIL_TEST_HOME", b"/var/qmail")
    del sys.argv[0]
    launch(name.rpartition(b"/")[2], home)


if __name__ == "__main__":
    _from_checkout()
