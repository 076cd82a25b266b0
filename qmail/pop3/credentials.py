"""What a checkpassword program reads from descriptor 3: both ends of that interface.

login \\0 password \\0 timestamp \\0        at most 512 bytes
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

MAX_BYTES: Final = 512


class Malformed(Exception):
    """Whoever wrote to the descriptor does not keep to the interface."""


def pack(login: bytes, password: bytes, timestamp: bytes) -> bytes:
    """The three as the program reads them."""
    return b"%b\0%b\0%b\0" % (login, password, timestamp)


def unpack(data: bytes) -> tuple[bytes, bytes]:
    """(login, password) of all that was read. Raises Malformed.

    What follows the password is a matter of others: it may even be missing.
    """
    login, first, rest = data.partition(b"\0")
    password, second, _ = rest.partition(b"\0")
    if not first or not second:
        raise Malformed
    return login, password
