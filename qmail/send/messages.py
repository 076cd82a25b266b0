"""The files of a preprocessed message: info, local, remote.

States       S5 is +info, ?local, ?remote; a recipient is a ``T`` record until it is
             done, then a ``D`` record; see qmail-internals(7).
Durability   overwriting one byte is atomic. A mark that a power cut takes back costs a
             second delivery and never a lost one, so marks are fsynced once a pass,
             not once a recipient.
"""

from __future__ import annotations

import posix

from pytools.base.durable import close_quietly
from qmail.queue import layout
from qmail.queue.envelope import DONE, ChannelReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.seams import Fs
    from qmail.send.rewriting import ChannelNumber

CHANNEL_NAMES = (b"local", b"remote")

_BLOCK = 16384
_READ = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK
_WRITE = posix.O_WRONLY | posix.O_CLOEXEC | posix.O_NONBLOCK


def channel_path(qnum: int, channel: ChannelNumber) -> bytes:
    """The recipients of a message that go over that channel."""
    return layout.remote(qnum) if channel else layout.local(qnum)


def mtime(path: bytes, fs: Fs = posix) -> int | None:
    """When the file was last written, None if it does not exist; else OSError."""
    try:
        return int(fs.stat(path).st_mtime)
    except FileNotFoundError:
        return None


def remove(path: bytes, fs: Fs = posix) -> bool:
    """Remove the file if it is there; True if it was."""
    try:
        fs.unlink(path)
    except FileNotFoundError:
        return False
    return True


def cut(path: bytes, size: int, fs: Fs = posix) -> None:
    """Leave only the first ``size`` bytes of the file."""
    fd = fs.open(path, _WRITE)
    try:
        fs.ftruncate(fd, size)
    finally:
        close_quietly(fd, fs)


def read_info(qnum: int, fs: Fs = posix) -> tuple[bytes, int] | None:
    """The sender and the time of birth; None if they cannot be had."""
    try:
        fd = fs.open(layout.info(qnum), _READ)
    except OSError:
        return None
    try:
        birth = int(fs.fstat(fd).st_mtime)
        _, letter, sender = Records(fd, fs).next() or (0, b"", b"")
    except OSError:
        return None
    finally:
        close_quietly(fd, fs)
    return (sender, birth) if letter == b"F" else None


def mark_done(path: bytes, position: int, fs: Fs = posix) -> None:
    """Turn the record at ``position`` from T into D."""
    fd = fs.open(path, _WRITE)
    try:
        fs.lseek(fd, position, 0)
        fs.write(fd, DONE)
    finally:
        fs.close(fd)


def sync_marks(path: bytes, fs: Fs = posix) -> None:
    """Make the marks of a pass durable."""
    fd = fs.open(path, _WRITE)
    try:
        fs.fsync(fd)
    finally:
        close_quietly(fd, fs)


class Records:
    """The records of an envelope file, read a block at a time as they are asked for."""

    __slots__ = ("_bytes", "_fd", "_found", "_fs", "_index", "_reader")

    def __init__(self, fd: int, fs: Fs = posix, offset: int = 0) -> None:
        self._fd = fd
        self._fs = fs
        self._reader = ChannelReader(offset)
        self._found: list[tuple[int, bytes, bytes]] = []
        self._index = 0
        self._bytes = offset

    @property
    def offset(self) -> int:
        """Where the next record begins; there another reader can go on."""
        if self._index < len(self._found):
            return self._found[self._index][0]
        return self._reader.offset

    def next(self) -> tuple[int, bytes, bytes] | None:
        """The next record: its place, letter and text; None at the end of the file."""
        while self._index == len(self._found):
            chunk = self._fs.read(self._fd, _BLOCK)
            if not chunk:
                return None
            self._bytes += len(chunk)
            self._found = self._reader.feed(chunk)
            self._index = 0
        self._index += 1
        return self._found[self._index - 1]

    def is_cut(self) -> bool:
        """True, after the end, if the file broke off within a record."""
        return self._bytes != self._reader.offset
