"""qmail-qread: list the messages of the queue and their recipients.

Contract     everything goes to descriptor 1, warnings too; 0, or 111 when the queue is
             out of reach. Runs as root, or as qmails.
COMPAT: as in the original, complaints do not begin with the program's name.
"""

from __future__ import annotations

import posix

from pytools.base import fds, runtime
from pytools.base.exits import TEMPORARY, Exit, reason
from qmail.queue import listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BUFFER = 8192


def main(argv: list[bytes]) -> int:
    output = bytearray()
    status = 0
    try:
        for line in _report():
            output += line
            if len(output) >= _BUFFER:
                _write(output)
                output.clear()
    except OSError as error:
        output += b"fatal: unable to read the queue: " + reason(error) + b"\n"
        status = TEMPORARY
    _write(output)
    return status


def _write(output: bytearray) -> None:
    try:
        fds.write_all(1, output)
    except OSError:
        raise Exit(TEMPORARY) from None


def _report() -> Iterator[bytes]:
    posix.chdir(runtime.home)
    posix.chdir(b"queue")
    for n in listing.numbers(b"info"):
        # Messages come and go while this runs.
        try:
            yield listing.describe_head(n)
        except OSError as error:
            yield _trouble(n, error)
            continue
        for channel in (b"local", b"remote"):
            try:
                yield from listing.describe_recipients(n, channel)
            except OSError as error:
                yield _trouble(n, error)


def _trouble(n: int, error: OSError) -> bytes:
    return b"warning: trouble with #%d: %b\n" % (n, reason(error))
