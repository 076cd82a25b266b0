"""A .forward file: what it orders, step by step (pure)."""

from __future__ import annotations

from qmail.forwarding.addresses import FULL, LOCAL, addresses
from qmail.forwarding.source import Refused, lines, unparsable
from qmail.mail.rfc822tokens import Unparsable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from qmail.forwarding.addresses import Completion

    Step = tuple[bytes, bytes]

FORWARD: Final = b"forward"
COMMAND: Final = b"pipe through"
DIRECT: Final = b"direct delivery"


def steps(
    text: bytes, user: bytes, host: bytes, completion: Completion
) -> Iterator[Step]:
    """The steps (kind, address or command) of a file, in its order of lines.

    DIRECT is the mailbox of ``user`` himself. Raises Refused.
    """
    own = {LOCAL: user.lower(), FULL: b"%b@%b" % (user.lower(), host.lower())}
    for line in lines(text):
        if line.startswith(b"#"):
            continue
        try:
            for kind, item in addresses(line):
                if item and item.lower() == own[kind]:
                    yield DIRECT, b""
                elif item:
                    yield _step(kind, item, completion)
        except Unparsable:
            raise unparsable(line) from None


def _step(kind: bytes, item: bytes, completion: Completion) -> Step:
    if b"\0" in item:
        # COMPAT: the original obeys the part before it.
        raise Refused(b"NUL not permitted in commands and addresses")
    if kind == LOCAL and item.startswith(b"/"):
        raise Refused(b"file delivery " + item + b" not supported")
    if kind == LOCAL and item.startswith(b"|"):
        return COMMAND, item[1:]
    return FORWARD, completion.full(kind, item)
