"""What a compiler made, as its source again: how it gets to descriptor 1."""

from __future__ import annotations

from pytools.base.exits import USAGE
from pytools.base.fds import write_all
from qmail.forwarding.table import Malformed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytools.base.exits import Strerr


def print_all(parts: Iterable[bytes], errors: Strerr, *, what: bytes) -> None:
    """Write the parts to descriptor 1, at the end or where one is Malformed."""
    printed = bytearray()
    well_formed = True
    try:
        for part in parts:
            printed += part
    except Malformed:
        well_formed = False
    try:
        write_all(1, printed)
    except OSError as error:
        raise errors.fatal(b"unable to write output", error=error) from None
    if not well_formed:
        raise errors.fatal(b"bad ", what, b" format", code=USAGE)
