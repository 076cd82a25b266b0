"""qmail-qmtpd: receive mail by QMTP from descriptor 0, answer on 1, queue it.

Contract     qmail-qmtpd(8). 0 when the client hung up, 100 when it does not speak QMTP,
             111 when the hour is over or a control file cannot be read.
Environment  TCPREMOTEIP and its like, RELAYCLIENT, DATABYTES: from tcpserver's rules.
Reads        control/: rcpthosts morercpthosts.cdb databytes.
Memory       runs under softlimit: qmail/qmtp/server.py keeps one byte a recipient, below
             the ceiling read here at the start, and nothing is imported later.
"""

from __future__ import annotations

import posix
import time

from pytools.base import runtime, signals
from pytools.base.environment import environ
from pytools.base.exits import TEMPORARY, USAGE
from pytools.base.limits import ceiling
from pytools.base.options import scan_ulong
from pytools.base.peer import DeadlinePeer, Hangup, OutOfTime
from qmail.control import files, rcpthosts
from qmail.mail.netstrings import ProtocolError, TooLong
from qmail.qmtp import server
from qmail.queue import reception

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from qmail.queue.inject import Submission

REUSABLE: Final = True  # see pytools.process.chain.is_reusable

LIFE_SECONDS: Final = 3600


class Conversation:
    """The events of one session, answered."""

    __slots__ = ("_hosts", "_peer", "_relay", "_session", "_submission")

    def __init__(
        self,
        peer: DeadlinePeer,
        hosts: rcpthosts.RcptHosts,
        max_size: int,
        relay: bytes | None,
    ) -> None:
        self._peer = peer
        self._hosts = hosts
        self._relay = relay
        self._session = server.Session(
            max_size=max_size, suffix=relay or b"", ceiling=ceiling()
        )
        self._submission: Submission | None = None

    def run(self) -> None:
        """Talk until the client hangs up. Raises Hangup and what main translates."""
        for kind, data in self._session.events(self._peer.receive):
            self._handle(kind, data)

    def close(self) -> None:
        """Leave nothing open, nothing half queued, and no answer unsaid."""
        reception.abandon(self._submission)
        try:
            # COMPAT: the original keeps answers back from a client whose next message is
            # malformed; it would send again what is queued.
            self._peer.flush()
        except (Hangup, OutOfTime):
            pass

    def _handle(self, kind: bytes, data: bytes) -> None:
        session = self._session
        if kind == server.MESSAGE:
            # COMPAT: a queue that cannot be reached says so at the end, with the reason;
            # the original exits 111 when it has no process or pipe left.
            self._submission = reception.begin(b"QMTP")
            return
        submission = self._submission
        assert submission is not None
        if kind == server.BODY:
            if session.is_too_big:
                submission.fail()
            else:
                submission.put(data)
        elif kind == server.SENDER:
            submission.sender(data)
        elif kind == server.BADSENDER:
            submission.fail()
        elif kind == server.RCPT:
            self._recipient(submission, data)
        else:
            self._finish(submission)

    def _recipient(self, submission: Submission, address: bytes) -> None:
        if self._relay is None and not self._hosts.allows(address):
            self._session.recipient_refused()
            return
        to_queue = self._session.recipient_ok()
        # An empty address is one, too: qmail-send gives it a host.
        if to_queue is not None:
            submission.recipient(to_queue)

    def _finish(self, submission: Submission) -> None:
        session = self._session
        if session.is_too_big or not session.is_wanted:
            submission.fail()
        self._submission = None
        problem = reception.close(submission)
        now = int(time.time())
        for piece in session.verdict(problem, now=now, qp=submission.qp):
            self._peer.send(piece)


def main(argv: list[bytes]) -> int:
    signals.ignore(signals.SIGPIPE)
    signals.set_default(signals.SIGALRM)
    try:
        serve()
    except (OutOfTime, TooLong, OSError):
        # The OSErrors that get here are trouble with control files.
        return TEMPORARY
    except ProtocolError:
        return USAGE
    except Hangup:
        pass
    finally:
        signals.alarm(0)
    return 0


def serve() -> None:
    """Set up and hold one session. Raises what main translates."""
    peer = DeadlinePeer(LIFE_SECONDS)
    posix.chdir(runtime.home)
    max_size = files.readint(b"databytes", 0)
    if b"DATABYTES" in environ:
        max_size = scan_ulong(environ[b"DATABYTES"])[0]
    hosts = rcpthosts.load()
    relay = environ.get(b"RELAYCLIENT")
    try:
        conversation = Conversation(peer, hosts, max_size, relay)
        try:
            conversation.run()
        finally:
            conversation.close()
    finally:
        hosts.close()
