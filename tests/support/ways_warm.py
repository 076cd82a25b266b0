"""A warm parent of the private runtime of tests/support/ways.py: starts programs.

Every line of standard input is the repr of a dict: what to start, how, and in which
conditions. It answers with the child's pid, and later with its raw wait status.
"""

from __future__ import annotations

import fcntl
import posix
import resource
import sys

from pytools.base import fds, signals
from pytools.base.exits import Next
from pytools.process import chain, child, launch, title
from pytools.process.programs import PYTOOLS, QMAIL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    Order = dict[str, Any]

FILES = {
    0: posix.O_RDONLY,
    1: posix.O_WRONLY | posix.O_APPEND,
    2: posix.O_WRONLY | posix.O_APPEND,
    3: posix.O_RDWR | posix.O_NONBLOCK,
    7: posix.O_RDONLY,
    9: posix.O_RDONLY,
}
CLOEXEC_FD = 9


def conditions(order: Order) -> None:
    """Make the process what the program is to inherit."""
    posix.chdir(order["cwd"])
    posix.umask(order["umask"])
    for number in order["ignored"]:
        signals.ignore(number)
    wanted = {}
    for fd, path in order["files"].items():
        wanted[fd] = posix.open(path, FILES[fd] | posix.O_CLOEXEC)
    fds.arrange(wanted)
    for fd in order["closed"]:
        posix.close(fd)
    if CLOEXEC_FD in wanted:
        fcntl.fcntl(CLOEXEC_FD, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if order["caught"]:
        signals.SelfPipe(order["caught"])
    signals.set_mask(order["blocked"])


def start(order: Order) -> int:
    """Fork; the child becomes the program, by exec or by Next."""
    if not order["exec"]:

        def body() -> NoReturn:
            conditions(order)
            raise Next(order["argv"], order["env"], must_exec=order["must_exec"])

        return child.fork(body)
    pid = posix.fork()
    if pid == 0:
        try:
            conditions(order)
            posix.execve(order["path"], order["argv"], order["env"])
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            posix._exit(99)
    return pid


def main() -> None:
    """Serve standard input."""
    import ast

    signals.undo_interpreter()
    launch._undo_locale()
    for program in sorted(PYTOOLS | QMAIL):
        chain.load(program)
    title.load()
    # As the loops have it: a child must not keep the handlers, nor the pipe.
    signals.SelfPipe([signals.SIGCHLD, signals.SIGTERM, signals.SIGHUP])
    child.settle()
    for line in sys.stdin.buffer:
        pid = start(ast.literal_eval(line.decode()))
        print(pid, flush=True)
        print(child.wait_for(pid), flush=True)


main()
