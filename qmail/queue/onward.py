"""The message of descriptor 0, queued once more, for others.

What forward, condredirect, dot-forward and fastforward do with it. What cannot be done
ends the program: 100 for good, 111 for now.
"""

from __future__ import annotations

import posix

from pytools.base import fds
from pytools.base.exits import TEMPORARY, USAGE, Exit
from qmail.queue.inject import Submission

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytools.base.exits import Strerr


def blocks(errors: Strerr) -> Iterable[bytes]:
    """The message from where descriptor 0 stands."""
    try:
        while block := posix.read(0, fds.BLOCK):
            yield block
    except OSError as error:
        raise errors.fatal(b"unable to read message", error=error) from None


def submit(
    head: bytes,
    sender: bytes,
    recipients: list[bytes],
    errors: Strerr,
    *,
    prefix: bytes = b"",
) -> int:
    """Queue ``head`` and the message; the queue's number for it.

    ``prefix`` comes before the queue's reason for a refusal.
    """
    submission = Submission()
    submission.put(head)
    try:
        for block in blocks(errors):
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
