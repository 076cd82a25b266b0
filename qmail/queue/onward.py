"""The message of descriptor 0, queued once more, for others.

What forward, condredirect, dot-forward and fastforward do with it. What cannot be done
ends the program: 100 for good, 111 for now.
"""

from __future__ import annotations

import posix

from pytools.base import fds
from qmail.queue import inject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytools.base.exits import Strerr


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
    return inject.submit(
        _blocks(head, errors), sender, recipients, errors, prefix=prefix
    )


def _blocks(head: bytes, errors: Strerr) -> Iterator[bytes]:
    """The head, and the message from where descriptor 0 stands."""
    yield head
    try:
        while block := posix.read(0, fds.BLOCK):
            yield block
    except OSError as error:
        raise errors.fatal(b"unable to read message", error=error) from None
