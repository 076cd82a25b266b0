"""The start in a log directory: go on from a clean end, or clear up after a crash.

Clean        current has u+x: all of it is on disk, lines are added to it.
Crash        current, and previous if it was not processed, are shelved as ``.u``; a
             processed file that was complete is shelved as ``.s`` and previous, which
             it was made from, goes. The processor's state begins empty.
Errors       are fatal (111) where trying again would not help: a wrong name, no right.
"""

from __future__ import annotations

import posix

from pytools.base import durable
from pytools.multilog.files import (
    APPEND,
    COMPLETE,
    FLAGS,
    OPEN_MODE,
    SAFE,
    STRERR,
    TRUNCATE,
    UNFINISHED,
    LogFiles,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytools.base.exits import Exit
    from pytools.base.seams import StatResult
    from pytools.multilog.seams import LogFs

DIRECTORY_MODE = 0o700
LOCK_MODE = 0o600


def open_directory(name: bytes, start: int, fs: LogFs) -> int:
    """The descriptor of the log directory, which is then the current one and locked."""
    try:
        fs.fchdir(start)
    except OSError as error:
        raise STRERR.fatal(
            b"unable to switch to starting directory", error=error
        ) from None
    _make(name, fs)
    try:
        fd = fs.open(name, posix.O_RDONLY | FLAGS)
        fs.fchdir(fd)
    except OSError as error:
        raise STRERR.fatal(b"unable to open directory ", name, error=error) from None
    return fd


def lock(name: bytes, fs: LogFs, take: Callable[[int], None]) -> None:
    """Take the lock of the current directory, for as long as this process lives."""
    try:
        take(fs.open(b"lock", APPEND | FLAGS, LOCK_MODE))
    except OSError as error:
        raise STRERR.fatal(b"unable to lock directory ", name, error=error) from None


def _make(name: bytes, fs: LogFs) -> None:
    try:
        fs.mkdir(name, DIRECTORY_MODE)
    except OSError:
        return
    try:
        durable.sync_dir(durable.parent(name.rstrip(b"/")), fs)
    except OSError:
        # A parent that cannot be read cannot be synced; the logs matter more.
        pass


def start(files: LogFiles) -> tuple[int, int]:
    """Bring the current directory in order; the descriptor and size of ``current``."""
    current = _stat(files, b"current")
    if current is not None and current.st_mode & SAFE:
        if _stat(files, b"previous") or _stat(files, b"processed"):
            # COMPAT: the original leaves them, and its next rotation writes over them.
            # After a power cut one can be all there is of a log never shelved.
            _salvage(files)
            files.sync_names()
        return _reopen(files), current.st_size
    for file in (b"state", b"newstate"):
        _forget(files, file)
    _salvage(files)
    files.finish(b"current", UNFINISHED)
    try:
        durable.close_quietly(files.open(b"state", TRUNCATE), files.fs)
    except OSError as error:
        raise _fatal(b"unable to write to ", files, b"state", error) from None
    try:
        fd = files.open(b"current", APPEND)
        files.fs.fchmod(fd, OPEN_MODE)
    except OSError as error:
        raise _fatal(b"unable to write to ", files, b"current", error) from None
    # DURABILITY: as after a rotation, no name that went may be met again later.
    files.sync_names()
    return fd, 0


def _salvage(files: LogFiles) -> None:
    """Shelve the log that a rotation was busy with."""
    processed = _stat(files, b"processed")
    if processed is not None and processed.st_mode & SAFE:
        # DURABILITY: a killed multilog may have left the data, mode and name of
        # processed on their way to the disk; previous must not go before they are there.
        fd = files.insist(
            lambda: files.open(b"processed", APPEND),
            *(b"unable to open ", files.name, b"/processed"),
        )
        files.sync(fd, b"processed")
        durable.close_quietly(fd, files.fs)
        files.sync_names()
        _forget(files, b"previous")
        files.finish(b"processed", COMPLETE)
    else:
        _forget(files, b"processed")
        files.finish(b"previous", UNFINISHED)


def _reopen(files: LogFiles) -> int:
    try:
        fd = files.open(b"current", APPEND)
    except OSError as error:
        raise _fatal(b"unable to append to ", files, b"current", error) from None
    try:
        files.fs.fchmod(fd, OPEN_MODE)
        # DURABILITY: no line may reach the disk under a mode that calls the file safe.
        files.fs.fsync(fd)
    except OSError as error:
        raise _fatal(b"unable to set mode of ", files, b"current", error) from None
    return fd


def _stat(files: LogFiles, file: bytes) -> StatResult | None:
    try:
        return files.fs.stat(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _fatal(b"unable to stat ", files, file, error) from None


def _forget(files: LogFiles, file: bytes) -> None:
    try:
        files.fs.unlink(file)
    except OSError:
        # Missing is what is wanted; a name that stays is met again when it is written.
        pass


def _fatal(doing: bytes, files: LogFiles, file: bytes, error: OSError) -> Exit:
    return STRERR.fatal(doing, files.name, b"/", file, error=error)
