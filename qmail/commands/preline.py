"""preline: feed a message to a program, with the lines before it that it may want.

Contract     preline [-frdFRD] command [arg ...], run by qmail-local, whose UFLINE,
             RPLINE and DTLINE come before the message of fd 0; f, r and d leave one of
             them out. The status is the command's; 100 for misuse or a command that
             cannot be run, 111 otherwise.
"""

from __future__ import annotations

import posix

from pytools.base import fds, signals
from pytools.base.environment import environ
from pytools.base.exits import USAGE, Exit, Next, Strerr, complain, is_temporary
from pytools.base.options import BadOption, getopt
from pytools.process import child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

PROG = Strerr(b"preline")
BLOCK = 8192
LINES = {b"f": b"UFLINE", b"r": b"RPLINE", b"d": b"DTLINE"}


def main(argv: list[bytes]) -> int:
    """Run the command with the message, the lines first."""
    head, command = parse(argv[1:], environ)
    signals.ignore(signals.SIGPIPE)
    try:
        read_end, write_end = fds.pipe()
    except OSError as error:
        raise PROG.fatal(b"unable to create pipe", error=error) from None
    try:
        pid = child.fork(lambda: _run(command, read_end))
    except OSError as error:
        raise PROG.fatal(b"unable to fork", error=error) from None
    posix.close(read_end)
    _copy(head, write_end)
    posix.close(write_end)
    status = child.wait_for(pid)
    if status & 127:
        raise PROG.fatal(b"child crashed")
    return status >> 8


def parse(args: list[bytes], env: dict[bytes, bytes]) -> tuple[bytes, list[bytes]]:
    """(the lines to come first, the command). Raises Exit on misuse."""
    usage = PROG.usage(b"preline cmd [ arg ... ]")
    if any(name not in env for name in LINES.values()):
        raise usage
    try:
        options, command = getopt(args, b"frdFRD")
    except BadOption as bad:
        complain(b"preline: illegal option -- " + bad.letter)
        raise usage from None
    if not command:
        raise usage
    # Of f and F, the last one counts.
    left_out = {letter.lower(): letter.islower() for letter, _ in options}
    head = b"".join(
        env[name] for letter, name in LINES.items() if not left_out.get(letter)
    )
    return head, command


def _run(command: list[bytes], read_end: int) -> NoReturn:
    try:
        fds.arrange({0: read_end})
    except OSError as error:
        raise PROG.fatal(b"unable to set up descriptors", error=error) from None
    signals.set_default(signals.SIGPIPE)
    raise Next(
        command, on_error=lambda error: _cannot_run(command[0], error), execvp=True
    )


def _cannot_run(name: bytes, error: OSError) -> Exit:
    code = 111 if is_temporary(error) else USAGE
    return PROG.fatal(b"unable to run ", name, code=code, error=error)


def _copy(pending: bytes, write_end: int) -> None:
    """Write ``pending`` and all of descriptor 0."""
    try:
        while chunk := posix.read(0, BLOCK):
            if len(pending) + len(chunk) > BLOCK:
                fds.write_all(write_end, pending)
                pending = b""
            pending += chunk
    except OSError as error:
        raise PROG.fatal(b"unable to copy input", error=error) from None
    try:
        # COMPAT: a command that ends without reading the end of its input, or any of a
        # short one, is right to; only in the middle it is an error.
        fds.write_all(write_end, pending)
    except OSError:
        pass
