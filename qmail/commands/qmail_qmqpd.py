"""qmail-qmqpd: receive one message by QMQP from descriptor 0, answer on 1, queue it.

Contract     qmail-qmqpd(8). 0 when it was answered or the client hung up, 100 when that
             does not speak QMQP, 111 when the hour is over or there is no home.
Environment  TCPREMOTEIP and its like.
Security     takes any mail for anybody: only tcpserver's rules keep strangers out.
"""

from __future__ import annotations

import posix
import time

from pytools.base import runtime, signals
from pytools.base.exits import TEMPORARY, USAGE
from pytools.base.peer import DeadlinePeer, Hangup, OutOfTime
from qmail.mail.netstrings import ProtocolError, TooLong
from qmail.qmqp import server
from qmail.queue import reception

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from qmail.queue.inject import Submission

REUSABLE: Final = True  # see pytools.process.chain.is_reusable

LIFE_SECONDS: Final = 3600


class Conversation:
    """The events of one session, answered."""

    __slots__ = ("_peer", "_session", "_submission")

    def __init__(self, peer: DeadlinePeer) -> None:
        self._peer = peer
        self._session = server.Session()
        self._submission: Submission | None = None

    def run(self) -> None:
        """Take the message. Raises Hangup, OutOfTime, ProtocolError."""
        for kind, data in self._session.events(self._peer.receive):
            if kind == server.END:
                self._finish()
                return
            self._handle(kind, data)

    def close(self) -> None:
        """Leave nothing open, and nothing half queued."""
        reception.abandon(self._submission)

    def _handle(self, kind: bytes, data: bytes) -> None:
        if kind == server.MESSAGE:
            # COMPAT: a queue that cannot be reached says so at the end, with the reason;
            # the original exits 111 when it has no process or pipe left.
            self._submission = reception.begin(b"QMQP")
            return
        submission = self._submission
        assert submission is not None
        if kind == server.BODY:
            submission.put(data)
        elif kind == server.SENDER:
            submission.sender(data)
        elif kind == server.RCPT:
            submission.recipient(data)
        else:
            submission.fail()

    def _finish(self) -> None:
        submission, self._submission = self._submission, None
        assert submission is not None
        problem = reception.close(submission)
        now = int(time.time())
        self._peer.send(self._session.verdict(problem, now=now, qp=submission.qp))
        self._peer.flush()


def main(argv: list[bytes]) -> int:
    signals.ignore(signals.SIGPIPE)
    signals.set_default(signals.SIGALRM)
    try:
        posix.chdir(runtime.home)
    except OSError:
        return TEMPORARY
    conversation = Conversation(DeadlinePeer(LIFE_SECONDS))
    try:
        conversation.run()
    except (OutOfTime, TooLong):
        return TEMPORARY
    except ProtocolError:
        return USAGE
    except Hangup:
        pass
    finally:
        conversation.close()
        signals.alarm(0)
    return 0
