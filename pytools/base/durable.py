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

_FILE_TYPE = 0o170000
_ORDINARY = (0o100000, 0o120000, 0o040000)
"""Files, symbolic links, directories: what unlink takes, or says itself what it is."""
_NEW = (
    posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
)


def sync_dir(path: bytes, fs: Fs = posix) -> None:
    """Make the entries of the directory ``path`` durable."""
    fd = fs.open(path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        fs.fsync(fd)
    finally:
        close_quietly(fd, fs)


def close_quietly(fd: int, fs: Fs = posix) -> None:
    """Close a file with nothing left to lose: fsynced, only read, or given up.

    What close says of it (EIO from FUSE or NFS) then means nothing, and the descriptor
    is free either way (close(2), for Linux).
    """
    try:
        fs.close(fd)
    except OSError:
        pass


def parent(path: bytes) -> bytes:
    """The directory that holds ``path``."""
    head, slash, _ = path.rpartition(b"/")
    return head or (b"/" if slash else b".")


def create_anew(path: bytes, mode: int, fs: Fs = posix) -> int:
    """A new file for writing; what a crash left under its name goes, a device stays.

    SECURITY: never another's file: in a directory of somebody else the name could be a
    link to any. COMPAT: the originals write through it.
    """
    try:
        return fs.open(path, _NEW, mode)
    except FileExistsError:
        if _is_special(path, fs):
            raise
        fs.unlink(path)
        return fs.open(path, _NEW, mode)


def _is_special(path: bytes, fs: Fs) -> bool:
    fd = fs.open(path, posix.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    try:
        return fs.fstat(fd).st_mode & _FILE_TYPE not in _ORDINARY
    finally:
        close_quietly(fd, fs)


def replace(
    path: bytes, data: bytes, *, tmp: bytes, mode: int = 0o644, fs: Fs = posix
) -> None:
    """Give ``path`` new content: a reader sees all of the old or all of the new.

    Written to ``tmp`` (in the same directory), fsynced, renamed, the directory fsynced.
    """
    fd = create_anew(tmp, mode, fs)
    try:
        view = memoryview(data)
        while view:
            view = view[fs.write(fd, view) :]
        fs.fsync(fd)
    finally:
        close_quietly(fd, fs)
    fs.rename(tmp, path)
    # DURABILITY: dying before this line leaves the old or the new file, whole either
    # way; after it the new one survives a power cut.
    sync_dir(parent(path), fs)
