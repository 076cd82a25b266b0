"""qmail-smtpd: receive mail by SMTP from descriptor 0, answer on 1, queue it.

Contract     qmail-smtpd(8). 0 after QUIT; 1 when the session ended in any other way.
Environment  TCPREMOTEIP and its like, RELAYCLIENT, DATABYTES: from tcpserver's rules.
Reads        control/: me smtpgreeting localiphost timeoutsmtpd rcpthosts
             morercpthosts.cdb badmailfrom databytes.
Memory       runs under softlimit: qmail/smtp/server.py keeps what a peer can make grow
             below the ceiling read here at the start, and nothing is imported later.
"""

from __future__ import annotations

import posix
import time

from pytools.base import runtime, signals
from pytools.base.environment import environ
from pytools.base.ip import parse, unmapped
from pytools.base.limits import ceiling
from pytools.base.options import scan_ulong
from pytools.base.peer import Hangup, OutOfTime, Peer
from qmail.control import files, ipme, rcpthosts
from qmail.control.maps import ConstMap
from qmail.queue import reception
from qmail.smtp import replies, server
from qmail.smtp.replies import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from qmail.queue.inject import Submission

REUSABLE: Final = True  # see pytools.process.chain.is_reusable

TIMEOUT_SECONDS: Final = 1200
MAX_TIMEOUT_SECONDS: Final = 1_000_000  # what poll can be told in milliseconds


class Controls:
    """What control files and environment say. OSError if a file is unreadable."""

    __slots__ = (
        *("barred", "greeting", "hosts", "max_size", "own_host", "relay"),
        "timeout",
    )

    def __init__(self) -> None:
        me = files.readline(b"me")
        greeting = files.read_or_me(b"smtpgreeting", me)
        if greeting is None:
            raise FileNotFoundError("control/smtpgreeting")
        self.greeting = greeting
        self.own_host = files.read_or_me(b"localiphost", me)
        timeout = files.readint(b"timeoutsmtpd", TIMEOUT_SECONDS)
        self.timeout = min(max(timeout, 1), MAX_TIMEOUT_SECONDS)
        self.barred = ConstMap(files.readfile(b"badmailfrom") or ())
        self.max_size = files.readint(b"databytes", 0)
        if b"DATABYTES" in environ:
            self.max_size = scan_ulong(environ[b"DATABYTES"])[0]
        self.relay = environ.get(b"RELAYCLIENT")
        """Set, though it may be empty: the client may send to any domain."""
        self.hosts = rcpthosts.load()

    def is_barred(self, sender: bytes) -> bool:
        """True if the sender, or ``@`` and its domain, is in badmailfrom."""
        at = sender.rfind(b"@")
        return sender in self.barred or (at >= 0 and sender[at:] in self.barred)

    def is_wanted(self, recipient: bytes) -> bool:
        """True if mail for the recipient is taken here. OSError as of RcptHosts.

        COMPAT: so it always is for the postmaster of this host (RFC 5321 4.5.1), who is
        asked when rcpthosts is wrong. Without a domain every recipient is welcome.
        """
        if self.own_host is not None and b"@" in recipient:
            local, _, domain = recipient.lower().rpartition(b"@")
            if local == b"postmaster" and domain == self.own_host.lower():
                return True
        return self.hosts.allows(recipient)


class Conversation:
    """The events of one session, answered."""

    __slots__ = ("_controls", "_peer", "_session", "_submission")

    def __init__(self, peer: Peer, session: server.Session, controls: Controls) -> None:
        self._peer = peer
        self._session = session
        self._controls = controls
        self._submission: Submission | None = None

    def run(self) -> None:
        """Talk until QUIT. Raises Hangup, OutOfTime, ProtocolError."""
        self._peer.send(self._session.greet())
        while True:
            event = self._session.next_event()
            if event is None:
                self._session.receive(self._receive())
            elif event.kind == server.EOF:
                raise Hangup
            elif event.kind == server.BODY:
                self._store(event.data)
            else:
                self._peer.send(self._answer(event))
                if event.kind == server.QUIT:
                    self._peer.flush()
                    return

    def close(self) -> None:
        """Leave nothing open, and nothing half queued."""
        reception.abandon(self._submission)

    def _receive(self) -> bytes:
        # A client that does not take our replies gets no reply about that.
        self._peer.flush()
        try:
            return self._peer.receive()
        except OutOfTime:
            raise ProtocolError(replies.TIMEOUT) from None

    def _answer(self, event: server.Event) -> bytes:
        session = self._session
        if event.kind == server.MAIL:
            return session.sender_ok(barred=self._controls.is_barred(event.data))
        if event.kind == server.RCPT:
            return self._recipient(event.data)
        if event.kind == server.DATA:
            return self._begin()
        if event.kind == server.END:
            return self._finish()
        return event.data

    def _recipient(self, address: bytes) -> bytes:
        controls = self._controls
        if controls.relay is not None:
            return self._session.recipient_ok(controls.relay)
        try:
            wanted = controls.is_wanted(address)
        except OSError:
            raise ProtocolError(replies.NO_CONTROLS) from None
        if wanted:
            return self._session.recipient_ok()
        return self._session.recipient_refused()

    def _begin(self) -> bytes:
        # COMPAT: a queue that cannot be reached says so after the message, with the
        # reason; the original refuses DATA when it has no process or pipe left.
        self._submission = reception.begin(b"SMTP", self._session.helo)
        return self._session.go_ahead()

    def _store(self, part: bytes) -> None:
        assert self._submission is not None
        if self._session.is_too_big:
            # The client goes on to the end of its message before it listens.
            self._submission.fail()
        else:
            self._submission.put(part)

    def _finish(self) -> bytes:
        session, submission = self._session, self._submission
        assert submission is not None
        self._submission = None
        signals.alarm(reception.QUEUE_SECONDS)
        if session.is_looping or session.is_too_big:
            submission.fail()
        else:
            submission.sender(session.sender)
            for recipient in session.recipients():
                submission.recipient(recipient)
        problem = submission.close()
        return session.verdict(problem, now=int(time.time()), qp=submission.qp)


def main(argv: list[bytes]) -> int:
    signals.ignore(signals.SIGPIPE)
    signals.set_default(signals.SIGALRM)
    peer = Peer(TIMEOUT_SECONDS)
    try:
        serve(peer)
    except ProtocolError as end:
        try:
            peer.send(end.reply)
            peer.flush()
        except (Hangup, OutOfTime):
            pass
        return 1
    except (Hangup, OutOfTime):
        return 1
    finally:
        signals.alarm(0)
    return 0


def serve(peer: Peer) -> None:
    """Set up and hold one session. Raises Hangup, OutOfTime, ProtocolError."""
    try:
        posix.chdir(runtime.home)
        controls = Controls()
    except OSError:
        raise ProtocolError(replies.NO_CONTROLS) from None
    try:
        own = own_addresses()
    except OSError:
        raise ProtocolError(replies.NO_ADDRESSES) from None
    peer.timeout = controls.timeout
    session = server.Session(
        controls.greeting,
        remote_host=environ.get(b"TCPREMOTEHOST", b"unknown"),
        own_addresses=own,
        own_host=controls.own_host,
        max_size=controls.max_size,
        ceiling=ceiling(),
    )
    conversation = Conversation(peer, session, controls)
    try:
        conversation.run()
    finally:
        conversation.close()
        controls.hosts.close()


def own_addresses() -> frozenset[bytes]:
    """The addresses of this machine, 4 or 16 bytes each. OSError.

    One of them is what the client has called, even where that is an address that only
    the kernel's packet filter knows.
    """
    called = parse(environ.get(b"TCPLOCALIP", b""))
    own = ipme.own_addresses() | ipme.own_addresses6()
    return own if called is None else own | {unmapped(called)}
