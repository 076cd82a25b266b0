"""What qmail-qread prints: one message of the queue and its recipients."""

from __future__ import annotations

import errno
import posix

from pytools.base import fds
from qmail.mail.dates import rfc822
from qmail.queue import layout
from qmail.queue.envelope import DONE, read_channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FLAGS = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK | posix.O_NOFOLLOW
_TYPE_MASK, _REGULAR = 0o170000, 0o100000
_ZONE = b" -0000"

# Whatever a terminal could take for more than a character.
_VISIBLE = bytes([byte if 32 <= byte <= 126 else 95 for byte in range(256)])


def visible(text: bytes) -> bytes:
    """The text with everything but printable ASCII as ``_``."""
    return text.translate(_VISIBLE)


def head_line(
    n: int, arrival: int, size: int, sender: bytes, has_bounce: bool
) -> bytes:
    """The line of a message."""
    date = rfc822(arrival).removesuffix(_ZONE)
    end = b" bouncing" if has_bounce else b""
    return visible(b"%b GMT  #%d  %d  <%b> %b" % (date, n, size, sender, end)) + b"\n"


def recipient_line(letter: bytes, channel: bytes, address: bytes) -> bytes:
    """The line of a recipient."""
    done = b"  done" if letter == DONE else b""
    return b"%b\t%b\t%b\n" % (done, channel, visible(address))


def numbers(kind: bytes) -> Iterator[int]:
    """The numbers of all files of a split directory. OSError if it is unreadable."""
    for part in range(layout.SPLIT):
        for name in posix.listdir(b"%b/%d" % (kind, part)):
            n = layout.number(name)
            if n is not None:
                yield n


def describe_head(n: int) -> bytes:
    """The head line of message n; OSError when it has gone or is unreadable."""
    size = posix.stat(layout.mess(n)).st_size
    try:
        posix.stat(layout.bounce(n))
        has_bounce = True
    except OSError:
        has_bounce = False
    fd = _open(layout.info(n))
    try:
        arrival = int(posix.fstat(fd).st_mtime)
        sender = posix.read(fd, 65536).partition(b"\0")[0][1:]
    finally:
        posix.close(fd)
    return head_line(n, arrival, size, sender, has_bounce)


def describe_recipients(n: int, channel: bytes) -> Iterator[bytes]:
    """The lines of the recipients in local/n or remote/n; none if there is no file."""
    path = layout.local(n) if channel == b"local" else layout.remote(n)
    try:
        fd = _open(path)
    except FileNotFoundError:
        return
    try:
        for letter, address in read_channel(_chunks(fd)):
            yield recipient_line(letter, channel, address)
    finally:
        posix.close(fd)


def _open(path: bytes) -> int:
    """Open a file of the queue; OSError if it is anything but an ordinary one."""
    # The reader may be root and the directory is qmails': neither a FIFO there may hold
    # the reader up nor a link show it another's file.
    fd = posix.open(path, _FLAGS)
    if posix.fstat(fd).st_mode & _TYPE_MASK != _REGULAR:
        posix.close(fd)
        raise OSError(errno.EINVAL, "not an ordinary file")
    return fd


def _chunks(fd: int) -> Iterator[bytes]:
    while chunk := posix.read(fd, fds.BLOCK):
        yield chunk
