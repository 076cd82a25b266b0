"""qmail-pop3d: give a user his mail by POP3, on descriptors 0 and 1.

Contract     qmail-pop3d maildir, run as the user in his home, after the password. Exit
             status 0, always. Messages are removed only after QUIT; a connection that
             breaks, or is silent for 20 minutes, changes nothing.
Descriptor 2 is the peer's connection too, so nothing may be written there: whatever goes
             wrong, a lack of memory or a bug, is an -ERR and the end of the session.
"""

from __future__ import annotations

import posix
import select
import time

from pytools.base import signals
from qmail.local import mailbox
from qmail.pop3 import transaction
from qmail.pop3.lines import OK
from qmail.pop3.stuffing import Stuffer
from qmail.pop3.transaction import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

TIMEOUT_SECONDS: Final = 1200
INPUT: Final = 4096
BLOCK: Final = 65536
# What poll calls writable takes this much without blocking, socket or pipe.
WRITE_CHUNK: Final = 4096


class Hangup(Exception):
    """The peer is gone, or silent."""


def main(argv: list[bytes]) -> int:
    """Serve one session."""
    signals.ignore(signals.SIGPIPE)
    peer = Peer()
    try:
        Drop(peer).serve(argv[1:])
        peer.flush()
        return 0
    except Hangup:
        return 0
    except Exception:
        pass
    # Here what filled the memory is gone with its frames.
    if not peer.in_reply:
        try:
            peer.send(transaction.FAILED)
            peer.flush()
        except Hangup:
            pass
    return 0


class Peer:
    """Descriptors 0 and 1, with bounded waits; replies are held back for the next read.

    Holding them back is what makes a client fast that sends its commands all at once.
    """

    __slots__ = ("_out", "_readable", "_writable", "in_reply")

    def __init__(self) -> None:
        self.in_reply = False
        """True while the peer would take what is sent for the rest of a reply."""
        self._out = bytearray()
        self._readable = select.poll()
        self._readable.register(0, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(1, select.POLLOUT)

    def send(self, data: bytes) -> None:
        """Send ``data`` before the next read. Raises Hangup."""
        self._out += data
        if len(self._out) > WRITE_CHUNK:
            self.flush()

    def flush(self) -> None:
        """Send what was held back. Raises Hangup."""
        with memoryview(bytes(self._out)) as rest:
            self._out.clear()
            at = 0
            while at < len(rest):
                if not self._writable.poll(TIMEOUT_SECONDS * 1000):
                    raise Hangup
                try:
                    at += posix.write(1, rest[at : at + WRITE_CHUNK])
                except OSError:
                    raise Hangup from None

    def receive(self) -> bytes:
        """What the peer sent. Raises Hangup."""
        self.flush()
        if not self._readable.poll(TIMEOUT_SECONDS * 1000):
            raise Hangup
        try:
            data = posix.read(0, INPUT)
        except OSError:
            raise Hangup from None
        if not data:
            raise Hangup
        return data


class Drop:
    """The Maildir of one session."""

    __slots__ = ("_finder", "_messages", "_peer")

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._finder = mailbox.Finder()
        self._messages = mailbox.Messages([])

    def serve(self, args: list[bytes]) -> None:
        """Open the Maildir and talk until QUIT. Raises Hangup."""
        try:
            if not args:
                raise FileNotFoundError
            posix.chdir(args[0])
        except OSError:
            self._peer.send(transaction.NO_MAILDIR)
            return
        now = int(time.time())
        mailbox.clean_tmp(now)
        try:
            self._messages = mailbox.scan(now)
        except (OSError, MemoryError):
            self._peer.send(transaction.NO_SCAN)
            return
        self._peer.send(OK)
        self._talk()

    def _talk(self) -> None:
        messages = self._messages
        session = Session(len(messages), messages.size, messages.name)
        while True:
            event = session.next_event()
            if event is None:
                session.receive(self._peer.receive())
            elif event.kind == transaction.RETRIEVE:
                self._retrieve(self._messages[event.number], event.lines)
            elif event.kind == transaction.QUIT:
                self._peer.send(self._update(session))
                return
            else:
                self._peer.in_reply = event.kind == transaction.PART
                self._peer.send(event.data)
                if event.kind == transaction.ABANDON:
                    return

    def _retrieve(self, message: mailbox.Message, lines: int | None) -> None:
        try:
            fd = self._finder.open(message)
        except OSError:
            self._peer.send(transaction.NO_SUCH)
            return
        try:
            self._peer.in_reply = True
            self._peer.send(OK)
            stuffer = Stuffer(lines)
            while not stuffer.is_full and (block := _read(fd)):
                self._peer.send(stuffer.encode(block))
            self._peer.send(stuffer.finish())
            self._peer.in_reply = False
        finally:
            posix.close(fd)

    def _update(self, session: Session) -> bytes:
        """Do what the session came to; the reply to QUIT."""
        numbers = range(len(self._messages))
        done = self._finder.remove(
            self._messages[n] for n in numbers if session.is_deleted(n)
        )
        for number in numbers:
            if not session.is_deleted(number):
                self._finder.mark_old(self._messages[number])
        # COMPAT: said once. The original says it for each message that it could not
        # remove, and +OK after that: more replies than commands.
        return OK if done else transaction.NOT_REMOVED


def _read(fd: int) -> bytes:
    # In the middle of a message there is no way to say what is wrong but to hang up.
    try:
        return posix.read(fd, BLOCK)
    except OSError:
        raise Hangup from None
