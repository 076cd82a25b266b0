"""qmail-popup: ask for a POP3 name and password, and run what checks them.

Contract     qmail-popup hostname subprogram [arg ...], POP3 on descriptors 0 and 1. The
             subprogram finds the connection there and as 2, and on 3 what
             qmail/pop3/credentials.py says. Exit status 1, always.
Secrets      the password lies in this process only; it takes no second session.
"""

from __future__ import annotations

import _socket
import posix
import time

from pytools.base import fds, signals
from pytools.base.exits import Exit, Next
from pytools.base.peer import DeadlinePeer, Hangup, OutOfTime, Peer
from pytools.process import child
from qmail.pop3 import credentials, login
from qmail.pop3.lines import error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, NoReturn

TIMEOUT_SECONDS: Final = 1200
ENDED: Final = 1
PIPE_BYTES: Final = 4096

USAGE: Final = error(b"usage: popup hostname subprogram")
NO_PIPE: Final = error(b"unable to open pipe")
NO_FORK: Final = error(b"unable to fork")
NO_WRITE: Final = error(b"unable to write pipe")
CRASHED: Final = error(b"aack, child crashed")
REFUSED: Final = error(b"authorization failed")


def next_program(argv: list[bytes]) -> list[bytes] | None:
    """The subprogram."""
    return argv[2:] or None


def main(argv: list[bytes]) -> int:
    """Talk up to the password, and wait for what comes of it."""
    signals.ignore(signals.SIGPIPE)
    signals.set_default(signals.SIGALRM)
    if len(argv) < 3:
        _say(USAGE)
        return ENDED
    stamp = login.timestamp(posix.getpid(), int(time.time()), argv[1])
    try:
        event = _talk(login.Session(stamp), Client(TIMEOUT_SECONDS))
    except (Hangup, OutOfTime):
        return ENDED
    finally:
        # The subprogram may take all the time that a session of mail takes.
        signals.alarm(0)
    if event is not None:
        _say(_check(credentials.pack(event.data, event.password, stamp), argv[2:]))
    return ENDED


class Client(DeadlinePeer):
    """The peer, of whom no more is read than what is for us.

    COMPAT: within TIMEOUT_SECONDS as a whole; the original waits so long each time.
    """

    __slots__ = ()

    def receive(self) -> bytes:
        """The rest of a line: what follows the password is for the program behind.

        COMPAT: the original reads 128 bytes at a time, and what a client has sent at
        once with its password (RFC 2449 6.6) is lost.
        """
        self.flush()
        self._wait(self._readable, self._read_seconds())
        try:
            return posix.read(0, _length_of_rest())
        except OSError:
            raise Hangup from None


def _length_of_rest() -> int:
    """How much may be read now. OSError of a connection that broke."""
    try:
        connection = _socket.socket(fileno=0)
    except OSError:
        return 1  # a pipe or a terminal
    try:
        # What only follows is not taken, so it is there for whoever reads next.
        seen = connection.recv(login.MAX_LINE, _socket.MSG_PEEK)
    finally:
        connection.detach()
    return seen.find(b"\n") + 1 or len(seen)


def _talk(session: login.Session, client: Client) -> login.Event | None:
    """Talk until somebody says who he is; None when the session is over before.

    Raises Hangup, OutOfTime.
    """
    client.send(session.greet())
    while True:
        event = session.next_event()
        if event is None:
            data = client.receive()
            if not data:
                return None
            session.receive(data)
        elif event.kind == login.LOGIN:
            client.flush()
            return event
        else:
            client.send(event.data)
            if event.kind == login.QUIT:
                client.flush()
                return None


def _check(secret: bytes, command: list[bytes]) -> bytes:
    """Run the subprogram to its end; what is left to say."""
    try:
        read_end, write_end = fds.pipe()
    except OSError:
        return NO_PIPE
    try:
        pid = child.fork(lambda: _become(command, read_end))
    except OSError:
        return NO_FORK
    # What surely fits into the pipe is written even if nobody reads: then the end of the
    # subprogram tells what was wrong, however fast that came.
    fits = len(secret) <= PIPE_BYTES
    if not fits:
        posix.close(read_end)
    try:
        fds.write_all(write_end, secret)
    except OSError:
        return NO_WRITE
    finally:
        posix.close(write_end)
    if fits:
        posix.close(read_end)
    try:
        status = child.wait_for(pid)
    except OSError:
        return b""
    if status & 127:
        return CRASHED
    return REFUSED if status else b""


def _become(command: list[bytes], read_end: int) -> NoReturn:
    try:
        fds.move(read_end, 3)
        fds.copy(1, 2)
    except OSError:
        raise Exit(ENDED) from None
    signals.set_default(signals.SIGPIPE)
    # A program that is not there is the operator's fault; the peer learns no more.
    raise Next(command, on_error=lambda _: Exit(ENDED), execvp=True)


def _say(data: bytes) -> None:
    """Say a last word, if there is one; without one a peer may have stopped reading."""
    peer = Peer(TIMEOUT_SECONDS)
    try:
        peer.send(data)
        peer.flush()
    except (Hangup, OutOfTime):
        pass
