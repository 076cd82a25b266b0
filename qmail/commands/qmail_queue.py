"""qmail-queue: queue the message of descriptor 0 with the envelope of descriptor 1.

Contract     no output; the exit status is the verdict (qmail.queue.exitcodes). Reads
             descriptor 1 up to the extra NUL and no further.
Who          any user may run it; qmail-queued does the work and knows who asked.
"""

from __future__ import annotations

import posix

from pytools.base import fds, signals
from qmail.queue import exitcodes, layout
from qmail.queue.client import Call
from qmail.queue.envelope import EnvelopeScanner
from qmail.queue.exitcodes import Refused

_IGNORED = (
    *(signals.SIGHUP, signals.SIGINT, signals.SIGQUIT, signals.SIGPIPE),
    signals.SIGXFSZ,
)
_CUSTOM_TEXT_FD = 6


def main(argv: list[bytes]) -> int:
    signals.set_mask(())
    for number in _IGNORED:
        signals.ignore(number)
    signals.catch(signals.SIGALRM, _out_of_time)
    signals.alarm(layout.WRITER_SECONDS)
    try:
        return _queue()
    except Refused as refused:
        return refused.code
    except MemoryError:
        return exitcodes.NO_MEMORY


def _out_of_time(number: int, frame: object) -> None:
    # The server sees the end of the connection, and queues nothing.
    posix._exit(exitcodes.TIMEOUT)


def _queue() -> int:
    for fd in (0, 1):
        # Of a closed one, the connection would take the number.
        try:
            posix.fstat(fd)
        except OSError:
            return exitcodes.READ_ERROR
    call = Call()
    while data := _read(0):
        call.put(data)
    call.end()
    # What is wrong with the envelope is seen here already: the caller may keep
    # descriptor 1 open after the mistake, and must get the exit code all the same.
    scanner = EnvelopeScanner()
    while not scanner.complete:
        data = _read(1)
        if not data:
            return exitcodes.READ_ERROR
        call.put(scanner.feed(data))
    call.put(b"\0")
    answer = call.finish()
    if answer.text:
        _say(answer.text)
    return answer.code


def _read(fd: int) -> bytes:
    try:
        return posix.read(fd, fds.BLOCK)
    except OSError:
        raise Refused(exitcodes.READ_ERROR) from None


def _say(text: bytes) -> None:
    try:
        posix.write(_CUSTOM_TEXT_FD, text)
    except OSError:
        pass
