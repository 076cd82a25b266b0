"""A message that comes from the network: what tcpserver says of its way goes on top."""

from __future__ import annotations

import time

from pytools.base import signals
from pytools.base.environment import environ
from qmail.mail.received import received
from qmail.queue.inject import Submission

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

QUEUE_SECONDS: Final = 86400
_UNKNOWN: Final = b"unknown"


def begin(protocol: bytes, helo: bytes | None = None) -> Submission:
    """A submission that begins with the line Received of this connection."""
    submission = Submission()
    submission.put(
        received(
            protocol,
            local=environ.get(b"TCPLOCALHOST", environ.get(b"TCPLOCALIP", _UNKNOWN)),
            remote_ip=environ.get(b"TCPREMOTEIP", _UNKNOWN),
            remote_host=environ.get(b"TCPREMOTEHOST", _UNKNOWN),
            remote_info=environ.get(b"TCPREMOTEINFO"),
            helo=helo,
            now=int(time.time()),
        )
    )
    return submission


def close(submission: Submission) -> bytes:
    """The queue's verdict, for which it may take its time whatever the session may."""
    signals.alarm(QUEUE_SECONDS)
    return submission.close()


def abandon(submission: Submission | None) -> None:
    """Queue nothing of it."""
    if submission is not None:
        submission.fail()
        submission.close()
