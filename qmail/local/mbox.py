"""Delivery into an mbox: append, or leave the file as it was.

Contract     OSError: not delivered, and cut back if the lock was ours.
Durability   returns only after the message, and the entry of a new file, survive power
             loss. A power cut in the middle can leave a torn message; it is set apart.
Format       mbox(5), mboxrd quoting.
"""

from __future__ import annotations

import posix

from pytools.base.durable import parent
from qmail.local.entries import settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytools.base.seams import Fs

_APPEND = (
    posix.O_WRONLY | posix.O_NONBLOCK | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC
)
_SEEK_END = 2
_FROM = b"From "


class FromQuoter:
    """Put ``>`` before every line that begins with any number of ``>`` and ``From ``.

    Works on blocks. INVARIANT: at most 4 bytes are held back, the longest proper prefix
    of ``From ``; of the ``>`` before it only the fact is kept that nothing else stood
    on the line, since one more ``>`` reads the same wherever it is put among them.
    """

    __slots__ = ("_at_line_start", "_held")

    def __init__(self) -> None:
        self._held = b""
        self._at_line_start = True

    def feed(self, data: bytes) -> bytes:
        """The next quoted bytes."""
        window = self._held + data
        held = 0
        for size in (4, 3, 2, 1):
            if window.endswith(_FROM[:size]):
                held = size
                break
        self._held = window[len(window) - held :]
        return self._quote(window[: len(window) - held])

    def finish(self) -> bytes:
        """What was held back, at the end of the message."""
        held, self._held = self._held, b""
        return held

    def _quote(self, window: bytes) -> bytes:
        pieces = window.split(_FROM)
        # Only the first piece can go on with an earlier line; all others follow a
        # ``From ``, and are at a line's start only after a LF of their own.
        for index in range(len(pieces)):
            bare = pieces[index].rstrip(b">")
            if bare or index:
                self._at_line_start = bare.endswith(b"\n")
            if self._at_line_start and index < len(pieces) - 1:
                pieces[index] += b">"
        return _FROM.join(pieces)


def open_mailbox(path: bytes, fs: Fs = posix) -> int:
    """Open the mailbox for appending; create it, for its owner only."""
    return fs.open(path, _APPEND, 0o600)


def is_replaced(path: bytes, fd: int, fs: Fs = posix) -> bool:
    """True if the open mailbox is not the file of that name any more."""
    mine = fs.fstat(fd)
    try:
        there = fs.stat(path)
    except OSError:
        return True  # opening it anew will tell
    return (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino)


def append(
    path: bytes,
    fd: int,
    head: bytes,
    blocks: Iterable[bytes],
    locked: bool,
    fs: Fs = posix,
) -> None:
    """Append ``head`` and the quoted message to the open mailbox."""
    size = _size(fd, fs)
    try:
        if size and _is_torn(path, fs):
            # COMPAT: the original joins the next message to one that a crash cut off in
            # the middle of a line, and both become one.
            head = b"\n\n" + head
        _write_message(fd, head, blocks, fs)
        fs.fsync(fd)
        if size == 0:
            settle(parent(path), fs)
    except BaseException:
        # Without the lock what follows our bytes may be another's.
        if locked and size is not None:
            try:
                fs.ftruncate(fd, size)
            except OSError:
                pass
        raise


def _size(fd: int, fs: Fs) -> int | None:
    try:
        return fs.lseek(fd, 0, _SEEK_END)
    except OSError:
        return None  # a FIFO


def _is_torn(path: bytes, fs: Fs) -> bool:
    """True if the mailbox does not end with a LF, as far as one can see."""
    try:
        fd = fs.open(path, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    except OSError:
        return False
    try:
        fs.lseek(fd, -1, _SEEK_END)
        return fs.read(fd, 1) not in (b"\n", b"")
    except OSError:
        return False
    finally:
        fs.close(fd)


def _write_message(fd: int, head: bytes, blocks: Iterable[bytes], fs: Fs) -> None:
    quoter = FromQuoter()
    pending = head
    last = b"\n"
    for block in blocks:
        last = block[-1:]
        _write_all(fd, pending + quoter.feed(block), fs)
        pending = b""
    end = b"\n" if last == b"\n" else b"\n\n"
    _write_all(fd, pending + quoter.finish() + end, fs)


def _write_all(fd: int, data: bytes, fs: Fs) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[fs.write(fd, rest) :]
