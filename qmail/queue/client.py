"""The caller's side of run/queued: copies a message and its envelope to the server.

Who          the kernel tells the server who calls: the effective uid at connect. So
             connect after the last change of uid, and use a call for one message.
No server    root queues for itself, in a child that becomes qmailq; anybody else waits
             some seconds for the server to come back, then gets 73.
Signals      none: SIGPIPE is kept away from every write.
"""

from __future__ import annotations

import _socket
import posix
import time

from pytools.base import runtime
from pytools.process import child
from qmail.queue import exitcodes, layout, wire
from qmail.queue.exitcodes import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

PATIENCE_SECONDS: Final = 8.0
_RETRY_SECONDS: Final = 0.05
# Linux: sizeof sun_path, its NUL included.
_NAME_MAX: Final = 107
_SEND_AT: Final = 65536


class Call:
    """One message on its way to the server. Refused with the code when it fails."""

    __slots__ = ("_child", "_encoder", "_socket")

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._encoder = wire.Encoder()
        self._child = 0
        self._socket = self._reach(patience)

    def _reach(self, patience: float) -> _socket.socket:
        deadline = time.monotonic() + patience
        while True:
            try:
                return connect(runtime.home)
            except (FileNotFoundError, ConnectionRefusedError):
                if posix.geteuid() == 0:
                    return self._queue_directly()
            except (PermissionError, NotADirectoryError):
                raise Refused(exitcodes.CONNECT_REFUSED) from None
            except OSError:
                raise Refused(exitcodes.NO_NETWORK) from None
            if time.monotonic() > deadline:
                raise Refused(exitcodes.CONNECT_REFUSED)
            time.sleep(_RETRY_SECONDS)

    def _queue_directly(self) -> _socket.socket:
        caller = posix.getpid()
        try:
            ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
            self._child = child.fork(lambda: _direct(ours, theirs, caller))
        except OSError:
            raise Refused(exitcodes.NO_NETWORK) from None
        theirs.close()
        return ours

    def put(self, data: bytes) -> None:
        """Send the next bytes of the message, then of the envelope."""
        if self._encoder.put(data) >= _SEND_AT:
            self._send()

    def end(self) -> None:
        """End the message; its envelope follows."""
        self._encoder.end()

    def finish(self) -> wire.Answer:
        """End the envelope and give the answer."""
        self._encoder.end()
        self._send()
        answer = self._hear()
        self.close()
        return answer

    def close(self) -> None:
        """Hang up; before finish() that means: queue nothing."""
        self._socket.close()
        if self._child:
            try:
                child.wait_for(self._child)
            except ChildProcessError:
                pass
            self._child = 0

    def _send(self) -> None:
        try:
            self._socket.sendall(self._encoder.take(), _socket.MSG_NOSIGNAL)
        except OSError:
            # The server has hung up, because it has refused; it says why.
            answer = self._hear()
            self.close()
            code = answer.code or exitcodes.COMMUNICATION_FAILED
            raise Refused(code) from None

    def _hear(self) -> wire.Answer:
        """Wait for the answer; a lost connection is answer 74."""
        heard = b""
        try:
            while (answer := wire.decode_answer(heard)) is None:
                data = self._socket.recv(4096)
                if not data:
                    break
                heard += data
        except (OSError, ValueError):
            answer = None
        if answer is None:
            return wire.Answer(exitcodes.COMMUNICATION_FAILED, posix.getpid())
        return answer


def connect(home: bytes) -> _socket.socket:
    """Connect to the server of that home; OSError if there is none."""
    socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    path = home + b"/" + layout.SOCKET
    directory = -1
    try:
        if len(path) > _NAME_MAX:
            # The name of a socket is short, that of a home need not be.
            head, _, name = path.rpartition(b"/")
            directory = posix.open(head, posix.O_PATH | posix.O_CLOEXEC)
            path = b"/proc/self/fd/%d/%b" % (directory, name)
        socket.connect(path)
    except OSError:
        socket.close()
        raise
    finally:
        if directory >= 0:
            posix.close(directory)
    return socket


def _direct(ours: _socket.socket, theirs: _socket.socket, caller: int) -> int:
    """In a child of root: become qmailq and do the server's work for one message."""
    from pytools.base import accounts
    from qmail.control import ids
    from qmail.queue import worker
    from qmail.queue.config import Config
    from qmail.queue.enqueue import pid_names

    ours.close()
    worker.prepare()
    try:
        known = ids.lookup()
        accounts.set_gid(known.qmail)
        accounts.set_uid(known.qmailq)
    except OSError:
        answer = wire.Answer(exitcodes.NO_CONFIGURATION, caller)
        try:
            theirs.sendall(wire.encode_answer(answer), _socket.MSG_NOSIGNAL)
        except OSError:
            pass  # the caller has given up its message already
        return 0
    names = pid_names(posix.getpid())
    config = Config(runtime.home, known)
    taken = worker.take_message(theirs.fileno(), 0, caller, config, names)
    worker.say(theirs.fileno(), taken)
    return 0
