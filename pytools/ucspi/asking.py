"""Small clients: run tcpclient, send a request, show the answer.

Status       that of the last stage, which shows the answer: an answer that is empty
             because there was no connection is one, too.
"""

from __future__ import annotations

import posix

from pytools.base import fds, runtime, signals
from pytools.base.exits import Next, Strerr
from pytools.process import child
from pytools.ucspi.showing import with_cr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.ucspi.showing import Filter

BROKEN_PIPE = 128 + signals.SIGPIPE


def ask(command: list[bytes], shown: Filter, request: bytes | None = None) -> int:
    """Run the command, with the request on its descriptor 0 if there is one.

    What it writes goes through ``shown`` to descriptor 1. The exit status.
    """
    prog = Strerr(runtime.program)
    try:
        answer, write_end = fds.pipe()
        source, sink = (-1, -1) if request is None else fds.pipe()
    except OSError as error:
        raise prog.fatal(b"unable to create pipe", error=error) from None

    def body() -> int:
        fds.copy(write_end, 1)
        if source >= 0:
            fds.copy(source, 0)
        raise Next(command)

    try:
        pid = child.fork(body)
    except OSError as error:
        raise prog.fatal(b"unable to fork", error=error) from None
    posix.close(write_end)
    signals.ignore(signals.SIGPIPE)
    if request is not None:
        posix.close(source)
        _send(sink, with_cr(request))
    status = _show(answer, shown)
    posix.close(answer)
    try:
        child.wait_for(pid)
    except ChildProcessError:
        pass  # whoever started us ignores SIGCHLD: it has ended
    return status


def _send(sink: int, request: bytes) -> None:
    try:
        fds.write_all(sink, request)
    except BrokenPipeError:
        pass  # there is no connection; tcpclient says so
    posix.close(sink)


def _show(answer: int, shown: Filter) -> int:
    """Copy the answer to descriptor 1."""
    try:
        while data := posix.read(answer, fds.BLOCK):
            fds.write_all(1, shown.receive(data))
        fds.write_all(1, shown.end())
    except BrokenPipeError:
        return BROKEN_PIPE
    except OSError as error:
        prog = Strerr(runtime.program)
        raise prog.fatal(b"unable to write output", code=1, error=error) from None
    return 0
