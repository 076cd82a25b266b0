"""Run a program's main, and whatever it becomes, to an exit status.

The one place where ``Exit`` and ``Next`` are caught. A chain unwinds: every ``Next``
first drops the frames of the program that raised it, then the next main is called from
here, so a chain of any length is one frame deep.
"""

from __future__ import annotations

import posix
import sys

from pytools.base import runtime
from pytools.base.exits import TEMPORARY, Exit, Next, Strerr, complain
from pytools.process import chain, title
from pytools.process.programs import LONG_LIVED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

_TYPE_MASK: Final = 0o170000
_SOCKET: Final = 0o140000


def run(program: bytes, home: bytes, argv: list[bytes]) -> int:
    """The exit status of ``program`` and of the chain it starts."""
    return conclude(lambda: call_main(program, home, argv))


def call_main(program: bytes, home: bytes, argv: list[bytes]) -> int:
    """Make the process known as ``program`` and call its main."""
    runtime.program = program
    runtime.home = home
    main = chain.load(program)
    if runtime.kept and not getattr(sys.modules[main.__module__], "REUSABLE", False):
        chain.give_up_kept()
    title.announce(program, argv, stays=program in LONG_LIVED)
    return main(argv)


def conclude(call: Callable[[], int]) -> int:
    """Call, and follow the chain to its end.

    A bug (any other exception) leaves a trace on descriptor 2 and is status 111.
    """
    while True:
        try:
            try:
                return call()
            except Next as following:
                step = (following.argv, following.env, following.path)
                must_exec, on_error = following.must_exec, following.on_error
                execvp = following.execvp
            # Here the frames of the last program are gone, and with them its objects.
            call = become(*step, must_exec, on_error, execvp)
        except Exit as end:
            if end.text:
                complain(end.text)
            return end.code
        except BaseException:
            print_trace()
            return TEMPORARY


def print_trace() -> None:
    """Show the exception on descriptor 2, as far as that is possible.

    SECURITY: not to a peer: what runs after qmail-popup has the connection there, too.
    """
    if _is_connection(2):
        return
    # sys.stderr belongs to what descriptor 2 was when the interpreter started, which
    # for a warm parent may have been nothing.
    try:
        sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)
        sys.__excepthook__(*sys.exc_info())
        sys.stderr.flush()
    except OSError:
        pass


def _is_connection(fd: int) -> bool:
    """True if it is the socket that descriptor 0 is."""
    try:
        here, there = posix.fstat(fd), posix.fstat(0)
    except OSError:
        return False
    is_socket = here.st_mode & _TYPE_MASK == _SOCKET
    return is_socket and (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def become(
    argv: list[bytes],
    env: dict[bytes, bytes] | None,
    path: bytes | None,
    must_exec: bool,
    on_error: Callable[[OSError], Exit] | None,
    execvp: bool,
) -> Callable[[], int]:
    """The call that is the next program; a foreign one does not return."""
    try:
        program, home, file = chain.enter(argv, env, path, must_exec, execvp)
    except OSError as error:
        if on_error is not None:
            raise on_error(error) from None
        prog = Strerr(runtime.program)
        raise prog.fatal(b"unable to run ", argv[0], error=error) from None
    # As the kernel has it for a script: argv[0] is the file that was found.
    return lambda: call_main(program, home, [file, *argv[1:]])
