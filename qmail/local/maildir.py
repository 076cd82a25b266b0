"""Delivery into a Maildir: the whole message under its name in new/, or nothing there.

Contract     the working directory is the Maildir. OSError: not delivered.
Durability   returns only after file and entry of new/NAME survive power loss.
Assumes      link is atomic; fsync on a directory is honoured.
Format       maildir(5).
"""

from __future__ import annotations

import posix

from qmail.local.entries import settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytools.base.seams import Fs

_CREATE = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC
_TRIES = 3
_HOST_BYTES = 64


def unique_name(now: int, pid: int, count: int, host: bytes) -> bytes:
    """TIME.UNIQUE.HOST, for a delivery that begins at ``now`` (nanoseconds).

    COMPAT: the original's middle part is the process id alone, which one process can
    use up in a second; microseconds and a counter are what Maildirs have used since.
    A host name can't bring ``/`` (a directory) or ``:`` (the flags) into a name.
    """
    seconds, nanoseconds = divmod(now, 1_000_000_000)
    host = host[:_HOST_BYTES].replace(b"/", b"\\057").replace(b":", b"\\072")
    return b"%d.M%dP%dQ%d.%b" % (seconds, nanoseconds // 1000, pid, count, host)


def deliver(
    head: bytes,
    blocks: Iterable[bytes],
    new_name: Callable[[], bytes],
    fs: Fs = posix,
) -> None:
    """Put ``head`` and the message into the Maildir we are in."""
    fd, name = _create(new_name, fs)
    tmp = b"tmp/" + name
    try:
        try:
            _write(fd, head, blocks, fs)
            fs.fsync(fd)
        finally:
            # An error of close is one of the write's, on NFS: it counts.
            fs.close(fd)
        # DURABILITY: dying before the link leaves a file in tmp, which readers remove
        # after 36 hours, and a message that is still in the queue.
        fs.link(tmp, b"new/" + name)
        settle(b"new", fs)
        # DURABILITY: dying between the link and here, or an error of this fsync, may
        # deliver the message twice; after it, a power cut loses nothing.
    finally:
        try:
            fs.unlink(tmp)
        except OSError:
            pass


def _create(new_name: Callable[[], bytes], fs: Fs) -> tuple[int, bytes]:
    """Create tmp/NAME; another name if it exists."""
    tries = 0
    while True:
        name = new_name()
        try:
            return fs.open(b"tmp/" + name, _CREATE, 0o644), name
        except FileExistsError:
            tries += 1
            if tries == _TRIES:
                raise


def _write(fd: int, head: bytes, blocks: Iterable[bytes], fs: Fs) -> None:
    # PERF: a message of one block costs one write.
    for block in blocks:
        _write_all(fd, head + block if head else block, fs)
        head = b""
    _write_all(fd, head, fs)


def _write_all(fd: int, data: bytes, fs: Fs) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[fs.write(fd, rest) :]
