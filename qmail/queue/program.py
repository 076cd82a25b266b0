"""Running a queue program: $QMAILQUEUE, or what an operator put in bin/qmail-queue.

Descriptors  of the program: 0 the message, 1 the envelope, 6 its own text for exit code
             82 (``D...`` or ``Z...``, at most 255 bytes).
Signals      SIGPIPE is ignored from the first call on, as in all the programs that
             queue messages: a pipe has no other way to say no to a write.
"""

from __future__ import annotations

import errno
import posix

from pytools.base import fds, runtime, signals
from pytools.base.exits import Exit, Next
from pytools.process import child
from qmail.queue import exitcodes, wire
from qmail.queue.exitcodes import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_BUFFER: Final = 8192
_CUSTOM_TEXT_FD: Final = 6


class ProgramCall:
    """One message on its way to a program; the same calls as the server's Call.

    A write that fails is only noted: the program has ended early, and its exit code is
    the better answer.
    """

    __slots__ = ("_broken", "_buffer", "_envelope", "_output", "_text", "pid")

    def __init__(self, program: bytes) -> None:
        signals.ignore(signals.SIGPIPE)
        opened: list[int] = []
        try:
            for _ in range(3):
                opened += fds.pipe()
            # Each pair is (read end, write end).
            message, self._output, envelope, self._envelope, self._text, text = opened
            wanted = {0: message, 1: envelope, _CUSTOM_TEXT_FD: text}
            self.pid = child.fork(lambda: _become(program, wanted))
        except OSError:
            for fd in opened:
                posix.close(fd)
            raise Refused(exitcodes.NO_MEMORY) from None
        for fd in (message, envelope, text):
            posix.close(fd)
        self._buffer = bytearray()
        self._broken = False

    def put(self, data: bytes) -> None:
        """Write the next bytes of the message, then of the envelope."""
        self._buffer += data
        if len(self._buffer) >= _BUFFER:
            self._flush()

    def end(self) -> None:
        """End the message; its envelope follows."""
        self._flush()
        posix.close(self._output)
        self._output, self._envelope = self._envelope, -1

    def finish(self) -> wire.Answer:
        """End the envelope, wait for the program, and give its answer."""
        self._flush()
        posix.close(self._output)
        self._output = -1
        return self._conclude()

    def close(self) -> None:
        """End without the rest: the program sees an early end of file."""
        for fd in (self._output, self._envelope):
            if fd >= 0:
                posix.close(fd)
        self._output = self._envelope = -1
        self._conclude()

    def _conclude(self) -> wire.Answer:
        try:
            status = child.wait_for(self.pid)
        except ChildProcessError:
            # Somebody else has reaped it; what became of the message is unknown.
            status = -1
        text = self._read_text()
        if status < 0 or status & 0x7F:
            return wire.Answer(exitcodes.CRASHED_CODE, self.pid)
        code = (status >> 8) & 0xFF
        if code == exitcodes.QUEUED and self._broken:
            # It says yes, but cannot have seen everything.
            code = exitcodes.READ_ERROR
        return wire.Answer(code, self.pid, text)

    def _read_text(self) -> bytes:
        """What the program, which has ended, wrote to descriptor 6."""
        # Without waiting for end of file: what it left in the background may hold the
        # descriptor for as long as it likes.
        text = b""
        try:
            fds.set_nonblock(self._text)
            while len(text) < exitcodes.CUSTOM_TEXT_MAX:
                more = posix.read(self._text, exitcodes.CUSTOM_TEXT_MAX - len(text))
                if not more:
                    break
                text += more
        except OSError:
            pass
        posix.close(self._text)
        return text

    def _flush(self) -> None:
        data, self._buffer = self._buffer, bytearray()
        if data and not self._broken:
            try:
                fds.write_all(self._output, data)
            except OSError:
                self._broken = True


def _become(program: bytes, wanted: dict[int, int]) -> int:
    """In the child: the descriptors, the home, and then the program."""
    fds.arrange(wanted)
    try:
        posix.chdir(runtime.home)
    except OSError:
        raise Exit(exitcodes.HOME_TROUBLE) from None
    # COMPAT: no search of $PATH; a name without slash is a file of the home.
    path = program if b"/" in program or not program else b"./" + program
    raise Next([program], path=path, on_error=_unable)


def _unable(error: OSError) -> Exit:
    if error.errno == errno.ENOMEM:
        return Exit(exitcodes.NO_MEMORY)
    return Exit(exitcodes.UNABLE_TO_RUN)
