"""tcprules: compile rules for tcpserver.

Contract     rules on fd 0; argv: the cdb to replace, and a file in the same directory
             to write first. 0; 100 for a bad rule or bad usage; 111 when the system
             fails.
Durability   returns 0 only after the new cdb survives power loss; before that the old
             one is untouched. An interrupted run leaves the temporary file.
"""

from __future__ import annotations

import errno
import posix

from pytools.base.cdb import CdbMaker
from pytools.base.durable import parent, sync_dir
from pytools.base.exits import USAGE, Exit, Strerr
from pytools.base.fds import BLOCK
from pytools.ucspi.rules import BadRule, Compiler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

CREATE = posix.O_RDWR | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC

strerr = Strerr(b"tcprules")


def _blocks() -> Iterator[list[bytes]]:
    """The lines of fd 0, some at a time; the last list may end with an empty one."""
    begun: list[bytes] = []
    while chunk := _read():
        end = chunk.rfind(b"\n")
        if end < 0:
            begun.append(chunk)
        else:
            yield b"".join((*begun, chunk[:end])).split(b"\n")
            begun = [chunk[end + 1 :]]
    yield [b"".join(begun)]


def _read() -> bytes:
    try:
        return posix.read(0, BLOCK)
    except OSError as error:
        raise strerr.fatal(b"unable to read input", error=error) from None


def _write(fd: int, tmp: bytes) -> None:
    """Put the rules of fd 0 into the cdb on ``fd``, durably."""
    try:
        maker = CdbMaker(fd)
        compiler = Compiler(maker.add)
        for lines in _blocks():
            compiler.compile(lines)
        compiler.finish()
        maker.finish()
        posix.fsync(fd)
        posix.close(fd)
    except BadRule as bad:
        raise strerr.fatal(
            b"unable to parse this line: ", bad.line, code=USAGE
        ) from None
    except OSError as error:
        raise strerr.fatal(b"unable to write to ", tmp, error=error) from None


def main(argv: list[bytes]) -> int:
    if len(argv) < 3:
        raise Exit(USAGE, b"tcprules: usage: tcprules rules.cdb rules.tmp")
    cdb, tmp = argv[1:3]
    try:
        fd = posix.open(tmp, CREATE, 0o644)
    except OSError as error:
        raise strerr.fatal(b"unable to create ", tmp, error=error) from None
    if fd == 0:
        # Descriptor 0 was closed: what would be read is the file itself.
        closed = OSError(errno.EBADF, "")
        raise strerr.fatal(b"unable to read input", error=closed)
    _write(fd, tmp)
    try:
        posix.rename(tmp, cdb)
        # DURABILITY: dying before this line leaves the old or the new cdb, whole either
        # way; after it the new one survives a power cut.
        sync_dir(parent(cdb))
    except OSError as error:
        raise strerr.fatal(b"unable to move ", tmp, b" to ", cdb, error=error) from None
    return 0
