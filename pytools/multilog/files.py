"""The files of one log directory: names, patience, and putting a file on the shelf.

Names        lock, current, previous, processed, state, newstate; a shelved file is
             ``@`` + 24 hex digits + ``.s`` (complete) or ``.u`` (found after a crash).
Modes        current is 0644 while it grows; u+x on current, previous or processed says
             that all of it is on disk.
Patience     a disk error is a warning and a pause, then the same call again, for ever:
             better to stop reading than to drop a line.
Assumes      rename and link are atomic; fsync on a directory makes its entries durable.
"""

from __future__ import annotations

import posix

from pytools.base.exits import Strerr
from pytools.base.tai import tai64n

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from pytools.base.seams import StatResult
    from pytools.multilog.seams import LogFs, Pause, Stamp

    T = TypeVar("T")

STRERR = Strerr(b"multilog")

PAUSE_SECONDS = 5
STAMPED_LENGTH = 25
"""A name counts as shelved when it begins with ``@`` and is at least so long."""

COMPLETE = b"s"
UNFINISHED = b"u"
SAFE = 0o100
"""The mode bit that says: all of this file is on disk."""
OPEN_MODE = 0o644
SAFE_MODE = 0o744

APPEND = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT
TRUNCATE = posix.O_WRONLY | posix.O_TRUNC | posix.O_CREAT
FLAGS = posix.O_NONBLOCK | posix.O_CLOEXEC


class LogFiles:
    """One log directory, by its descriptor, and what it is told to keep."""

    __slots__ = ("fd", "fs", "keep", "name", "pause", "stamp")

    def __init__(
        self,
        name: bytes,
        fd: int,
        keep: int,
        fs: LogFs,
        pause: Pause,
        stamp: Stamp = tai64n,
    ) -> None:
        self.name = name
        self.fd = fd
        self.keep = keep
        self.fs = fs
        self.pause = pause
        self.stamp = stamp

    def insist(self, action: Callable[[], T], *failing: bytes) -> T:
        """Do it until it works; ``failing`` tells the operator what does not."""
        while True:
            try:
                return action()
            except OSError as error:
                self.complain(*failing, error=error)

    def complain(self, *failing: bytes, error: OSError | None = None) -> None:
        """Say that this does not work, and wait."""
        STRERR.warn(*failing, b", pausing", error=error)
        self.pause(PAUSE_SECONDS)

    def enter(self) -> None:
        """Make the log directory the current one; all names are relative to it."""
        self.insist(lambda: self.fs.fchdir(self.fd), b"unable to switch to ", self.name)

    def open(self, file: bytes, flags: int, mode: int = OPEN_MODE) -> int:
        """Open (and perhaps create) ``file``, once; close-on-exec."""
        return self.fs.open(file, flags | FLAGS, mode)

    def create_current(self) -> int:
        """A new, empty ``current``."""
        fd = self.insist(
            lambda: self.open(b"current", APPEND),
            *(b"unable to create ", self.name, b"/current"),
        )
        self.set_mode(fd, OPEN_MODE, b"current")
        return fd

    def set_mode(self, fd: int, mode: int, file: bytes) -> None:
        """Set the mode of an open file."""
        self.insist(
            lambda: self.fs.fchmod(fd, mode),
            *(b"unable to set mode of ", self.name, b"/", file),
        )

    def sync(self, fd: int, file: bytes) -> None:
        """Make the data (and mode) of an open file durable."""
        self.insist(
            lambda: self.fs.fsync(fd),
            *(b"unable to write ", self.name, b"/", file, b" to disk"),
        )

    def sync_names(self) -> None:
        """Make the directory's entries durable."""
        self.insist(
            lambda: self.fs.fsync(self.fd),
            *(b"unable to write ", self.name, b" to disk"),
        )

    def rename(self, old: bytes, new: bytes) -> None:
        """Give a file its next name."""
        self.insist(
            lambda: self.fs.rename(old, new),
            *(b"unable to rename ", old, b" to ", new, b" in directory ", self.name),
        )

    def remove(self, file: bytes) -> None:
        """Take a name away; one that is gone already is fine."""

        def unlink() -> None:
            try:
                self.fs.unlink(file)
            except FileNotFoundError:
                pass

        self.insist(unlink, b"unable to remove ", self.name, b"/", file)

    def look(self, file: bytes) -> StatResult | None:
        """The file's stat, or None where there is none."""

        def stat() -> StatResult | None:
            try:
                return self.fs.stat(file)
            except FileNotFoundError:
                return None

        return self.insist(stat, b"unable to stat ", self.name, b"/", file)

    def finish(self, file: bytes, code: bytes) -> None:
        """Shelve ``file`` if there is one, take its name away, and prune."""
        if self.shelve(file, code):
            self.remove(file)
            self.prune()

    def shelve(self, file: bytes, code: bytes) -> bool:
        """Give ``file`` its stamped name too, durably; False where there is none."""
        found = self.look(file)
        if found is None:
            return False
        # A second link is the stamped name that was given just before a crash.
        if found.st_nlink == 1:
            self._link(file, code)
        # DURABILITY: the caller removes ``file`` next. Were that to reach the disk
        # without the new name, the log would be gone.
        self.sync_names()
        return True

    def _link(self, file: bytes, code: bytes) -> None:
        while True:
            shelved = b"@" + self.stamp() + b"." + code
            try:
                self.fs.link(file, shelved)
            except OSError as error:
                self.complain(
                    *(b"unable to link to ", self.name, b"/", shelved), error=error
                )
            else:
                return

    def prune(self) -> None:
        """Remove the oldest shelved files until there are fewer than ``keep``.

        COMPAT: a file that cannot be removed is a warning and a pause; the original
        tries again at once, at full speed.
        """
        names = self.insist(
            lambda: self.fs.listdir(b"."), b"unable to read ", self.name
        )
        shelved = [n for n in names if n[:1] == b"@" and len(n) >= STAMPED_LENGTH]
        if len(shelved) >= self.keep:
            shelved.sort()
            for name in shelved[: len(shelved) - self.keep + 1]:
                self.remove(name)
