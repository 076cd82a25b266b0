"""What makes files survive a power cut.

Assumes      rename and link are atomic; fsync on a file makes its data durable, fsync
             on a directory its entries. The originals left directories to the file
             system; ext4 and xfs need the fsync.
Test seam    every function takes its file system, by default the module ``posix``.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.seams import Fs


def sync_dir(path: bytes, fs: Fs = posix) -> None:
    """Make the entries of the directory ``path`` durable."""
    fd = fs.open(path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        fs.fsync(fd)
    finally:
        fs.close(fd)


def parent(path: bytes) -> bytes:
    """The directory that holds ``path``."""
    head, slash, _ = path.rpartition(b"/")
    return head or (b"/" if slash else b".")


def replace(
    path: bytes, data: bytes, *, tmp: bytes, mode: int = 0o644, fs: Fs = posix
) -> None:
    """Give ``path`` new content: a reader sees all of the old or all of the new.

    Written to ``tmp`` (in the same directory), fsynced, renamed, the directory fsynced.
    """
    fd = fs.open(
        tmp, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, mode
    )
    try:
        view = memoryview(data)
        while view:
            view = view[fs.write(fd, view) :]
        fs.fsync(fd)
    finally:
        fs.close(fd)
    fs.rename(tmp, path)
    # DURABILITY: dying before this line leaves the old or the new file, whole either
    # way; after it the new one survives a power cut.
    sync_dir(parent(path), fs)
