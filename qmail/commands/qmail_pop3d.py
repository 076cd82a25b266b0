"""qmail-pop3d: give a user his mail by POP3, on descriptors 0 and 1.

Contract     qmail-pop3d maildir, run as the user in his home, after the password. Exit
             status 0, always. Messages are removed only after QUIT; a connection that
             breaks, or is silent for 20 minutes, changes nothing.
Descriptor 2 is the peer's connection too, so nothing may be written there: whatever goes
             wrong, a lack of memory or a bug, is an -ERR and the end of the session.
"""

from __future__ import annotations

import posix
import time

from pytools.base import signals
from pytools.base.peer import Hangup, OutOfTime, Peer
from qmail.local import mailbox
from qmail.pop3 import transaction
from qmail.pop3.lines import OK
from qmail.pop3.stuffing import Stuffer
from qmail.pop3.transaction import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

TIMEOUT_SECONDS: Final = 1200
BLOCK: Final = 65536


def main(argv: list[bytes]) -> int:
    """Serve one session."""
    signals.ignore(signals.SIGPIPE)
    peer = User(TIMEOUT_SECONDS)
    try:
        Drop(peer).serve(argv[1:])
        peer.flush()
        return 0
    except (Hangup, OutOfTime):
        return 0
    except Exception:
        pass
    # Here what filled the memory is gone with its frames.
    if not peer.in_reply:
        try:
            peer.send(transaction.FAILED)
            peer.flush()
        except (Hangup, OutOfTime):
            pass
    return 0


class User(Peer):
    """The peer, who is told of trouble only where that cannot be taken for mail."""

    __slots__ = ("in_reply",)

    def __init__(self, timeout: float) -> None:
        super().__init__(timeout)
        self.in_reply = False
        """True while the peer would take what is sent for the rest of a reply."""

    def receive(self) -> bytes:
        """What the peer sent. Raises Hangup, also at the end, and OutOfTime."""
        if data := super().receive():
            return data
        raise Hangup


class Drop:
    """The Maildir of one session."""

    __slots__ = ("_finder", "_messages", "_peer")

    def __init__(self, peer: User) -> None:
        self._peer = peer
        self._finder = mailbox.Finder()
        self._messages = mailbox.Messages([])

    def serve(self, args: list[bytes]) -> None:
        """Open the Maildir and talk until QUIT. Raises Hangup, OutOfTime."""
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
        signals.alarm(0)  # however many they are, all of it is done
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
