"""argv0: run a program under another name.

Contract     argv0 realname name args ...; ``realname`` is looked up on $PATH and run
             with ``name`` as its argument zero.
COMPAT       a script learns from the kernel which file it is, and not its argument
             zero; the programs of this package are scripts and see no difference.
Exit         100 usage, 111 the program could not be run; else the program's own.
"""

from __future__ import annotations

import errno
import posix

from pytools.base.exits import Exit, Next, Strerr
from pytools.process import chain

STRERR = Strerr(b"argv0")


def next_program(argv: list[bytes]) -> list[bytes] | None:
    """The chain that will run."""
    return [argv[1], *argv[3:]] if len(argv) > 2 else None


def main(argv: list[bytes]) -> int:
    """Become the program."""
    if len(argv) < 3:
        raise STRERR.usage(b"argv0 realname program [ arg ... ]")

    def failed(error: OSError) -> Exit:
        return STRERR.fatal(b"unable to run ", argv[1], error=error)

    try:
        path = argv[1] if b"/" in argv[1] else find(argv[1])
    except OSError as error:
        raise failed(error) from None
    raise Next(argv[2:], path=path, on_error=failed)


def find(name: bytes) -> bytes:
    """The first executable file of that name on $PATH; else the error of an exec."""
    trouble = OSError(errno.ENOENT, "no such program")
    for path in chain.candidates(name):
        try:
            is_file = posix.stat(path).st_mode & 0o170000 == 0o100000
        except FileNotFoundError:
            continue
        except PermissionError as error:
            trouble = error
            continue
        if is_file and posix.access(path, posix.X_OK, effective_ids=True):
            return path
        trouble = OSError(errno.EACCES, "not a program")
    raise trouble
