"""Submission: how every program of qmail puts a message into the queue.

Ways         the program in $QMAILQUEUE; else bin/qmail-queue. Where that is our own
             launcher (or missing), the message goes to qmail-queued without a process
             in between; anything else is run, as ever.
Errors       a Submission never raises for trouble in the queue: close() says it.
Who          the queue notes the effective uid at construction, so construct it after
             the last change of uid.
"""

from __future__ import annotations

import posix

from pytools.base import runtime
from pytools.base.environment import environ
from pytools.base.exits import TEMPORARY, USAGE, Exit
from pytools.process import chain
from qmail.queue import exitcodes
from qmail.queue.client import Call
from qmail.queue.exitcodes import Refused
from qmail.queue.program import ProgramCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from pytools.base.exits import Strerr

_PROGRAM: Final = b"bin/qmail-queue"


class Submission:
    """One message to be queued: put()..., sender(), recipient()..., close()."""

    __slots__ = ("_call", "_code", "qp")

    def __init__(self) -> None:
        self.qp = posix.getpid()
        self._call: Call | ProgramCall | None = None
        self._code = exitcodes.QUEUED  # of what went wrong so far
        try:
            program = _foreign_program()
            if program is None:
                self._call = Call()
            else:
                self._call = ProgramCall(program)
                self.qp = self._call.pid
        except Refused as refused:
            self._code = refused.code

    def put(self, data: bytes) -> None:
        """Add bytes to the message; they need not end with a line."""
        if self._call is None or self._code:
            return
        try:
            self._call.put(data)
        except Refused as refused:
            self._code = refused.code

    def fail(self) -> None:
        """Queue nothing, whatever else comes; close() gives a temporary verdict."""
        if not self._code:
            self._code = exitcodes.READ_ERROR

    def sender(self, address: bytes) -> None:
        """End the message; this is the envelope sender."""
        if self._call is None or self._code:
            return
        try:
            self._call.end()
        except Refused as refused:
            self._code = refused.code
        self._record(b"F", address)

    def recipient(self, address: bytes) -> None:
        """One more envelope recipient."""
        self._record(b"T", address)

    def _record(self, letter: bytes, address: bytes) -> None:
        # COMPAT: an address is a C string to the originals, so NUL ends it.
        self.put(letter + address.partition(b"\0")[0] + b"\0")

    def close(self) -> bytes:
        """The verdict: b"" queued, else D or Z and a text with its status code."""
        self.put(b"\0")
        call, self._call = self._call, None
        if call is None:
            return exitcodes.verdict(self._code)
        if self._code:
            call.close()
            return exitcodes.verdict(self._code)
        try:
            answer = call.finish()
        except Refused as refused:
            return exitcodes.verdict(refused.code)
        self.qp = answer.qp
        return exitcodes.verdict(answer.code, answer.text)


def submit(
    blocks: Iterable[bytes],
    sender: bytes,
    recipients: Iterable[bytes],
    errors: Strerr,
    *,
    prefix: bytes = b"",
) -> int:
    """Queue the message of these blocks for a program; the queue's number for it.

    An Exit that the blocks raise leaves nothing in the queue. One of ours, 100 for good
    or 111 for now, has the queue's reason for a refusal after ``prefix``.
    """
    submission = Submission()
    try:
        for block in blocks:
            submission.put(block)
    except Exit:
        submission.fail()
        submission.close()
        raise
    submission.sender(sender)
    for recipient in recipients:
        submission.recipient(recipient)
    verdict = submission.close()
    if verdict:
        code = USAGE if verdict.startswith(b"D") else TEMPORARY
        raise errors.fatal(prefix, verdict[1:], code=code)
    return submission.qp


def _foreign_program() -> bytes | None:
    """The program to run, relative to the home; None when the server is to be asked."""
    chosen = environ.get(b"QMAILQUEUE")
    if chosen is not None:
        return chosen
    try:
        ours = chain.is_ours(runtime.home + b"/" + _PROGRAM)
    except OSError:
        # COMPAT: the original has nothing to run then. We can do without.
        return None
    return None if ours == (b"qmail-queue", runtime.home) else _PROGRAM
