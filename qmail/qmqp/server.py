"""One QMQP session as qmail-qmqpd sees it: bytes in, events and the answer out.

Protocol     https://cr.yp.to/proto/qmqp.html. One message,
                 netstring(netstring(message) netstring(sender) netstring(recipient) ...)
             and then the answer, a netstring.

    event      means                                 answered by
    MESSAGE    a message begins                      (nothing)
    BODY       the next part of it                   (nothing)
    SENDER     it is complete; its sender            (nothing)
    RCPT       a recipient                           (nothing)
    BAD        an address that cannot be one         (nothing)
    END        the envelope is complete              verdict
    EOF        the peer has hung up                  (nothing)

After BAD nothing may be queued. ProtocolError ends the session.
"""

from __future__ import annotations

from qmail.mail import netstrings
from qmail.mail.netstrings import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Final

MESSAGE: Final = b"message"
BODY: Final = b"body"
SENDER: Final = b"sender"
RCPT: Final = b"rcpt"
BAD: Final = b"bad"
END: Final = b"end"
EOF: Final = netstrings.EOF

BAD_ADDRESS: Final = b"Dnobody has such an address, too long or with a NUL (#5.1.3)"

_HEAD_MAX: Final = 100
"""How many bytes the first length may take, its colon included."""


class Session(netstrings.Session):
    """A QMQP session."""

    __slots__ = ("_is_bad",)

    def __init__(self) -> None:
        super().__init__()
        self._is_bad = False

    def _protocol(self) -> Generator[tuple[bytes, bytes] | None, None, None]:
        reader = self._reader
        reader.end = _HEAD_MAX
        length = yield from reader.length()
        reader.end = end = reader.position + length
        left = yield from reader.length()
        if left >= reader.left(end):
            raise ProtocolError
        yield MESSAGE, b""
        while left:
            part = yield from reader.some(left)
            left -= len(part)
            yield BODY, part
        yield from reader.comma()
        yield from self._address(SENDER)
        while reader.left(end):
            yield from self._address(RCPT)
        reader.end = end + 1
        yield from reader.comma()
        self._is_asking = True
        yield END, b""

    def _address(
        self, kind: bytes
    ) -> Generator[tuple[bytes, bytes] | None, None, None]:
        length = yield from self._reader.length()
        address = yield from self._reader.address(length)
        yield from self._reader.comma()
        if address is None or b"\0" in address:
            self._is_bad = True
            yield BAD, b""
        else:
            yield kind, address

    def verdict(self, problem: bytes, *, now: int, qp: int) -> bytes:
        """The answer to send; ``problem`` is b"", or D or Z and words."""
        self._answer()
        text = problem or b"Kok %d qp %d" % (now, qp)
        if self._is_bad:
            text = BAD_ADDRESS
        return b"%d:%b," % (len(text), text)
