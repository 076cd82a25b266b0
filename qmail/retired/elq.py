"""elq: move the new mail of a Maildir into the mbox, then read it with elm.

Contract     elq [arg ...]: maildir2mbox, and if that ends with 0, elm with the
             arguments; else its status, 128 and the signal's number if one ended it.
             111 when a program cannot be run.
"""

from __future__ import annotations

from pytools.base import runtime
from pytools.base.exits import Next, Strerr
from pytools.process import child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main(argv: list[bytes]) -> int:
    """Move, read."""
    return read_with(b"elm", argv[1:])


def read_with(reader: bytes, words: list[bytes]) -> int:
    """Move, then become the reader; the status if there is nothing to become."""

    def body() -> NoReturn:
        raise Next([runtime.home + b"/bin/maildir2mbox"])

    prog = Strerr(runtime.program)
    try:
        status = child.wait_for(child.fork(body))
    except OSError as error:
        raise prog.fatal(b"unable to run maildir2mbox", error=error) from None
    if status & 127:
        return 128 + (status & 127)
    if status:
        return status >> 8
    raise Next([reader, *words])
