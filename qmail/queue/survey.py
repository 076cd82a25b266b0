"""What is on the disk: every file below the directories of the messages, by number.

It takes nothing for granted: names that are no numbers, files in the wrong directory or
twice, things that are no files, directories of a queue of another split.
"""

from __future__ import annotations

from qmail.queue import layout, states

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from pytools.base.seams import Fs, StatResult

STAGE: Final = b"renumber"
"""Where messages are while they get another number; renumber.py."""
LOST: Final = b"lost"
"""Where repair.py puts what it cannot explain."""

_PARTS: Final = {b"%d" % part for part in range(layout.SPLIT)}
_TYPE_MASK, _REGULAR, _DIRECTORY = 0o170000, 0o100000, 0o040000


class Survey:
    """Every file below the directories of the messages."""

    def __init__(self, fs: Fs) -> None:
        self.fs = fs
        # Of each number and kind the file, and where else there is one.
        self.messages: dict[int, dict[bytes, bytes]] = {}
        self.doubles: list[tuple[int, bytes]] = []
        self.strays: list[bytes] = []
        # Things that are no files either, but stand where a message has one, by number.
        self.blocks: dict[int, list[bytes]] = {}
        # Directories that a queue of another split has.
        self.extra: list[bytes] = []
        # What should be a directory and is none, so that files may lie unseen.
        self.closed: list[bytes] = []
        self.stats: dict[bytes, StatResult] = {}
        self.staged: dict[int, dict[bytes, bytes]] = {}
        for kind in states.FILES:
            for path in self._paths(kind):
                self._enter(kind, path)
        self._find_blocks()
        # The same of the two that a repair makes for itself.
        self.unfit = [name for name in (LOST, STAGE) if self._is_closed(name)]
        here = self.names_in(b".")
        self.is_interrupted = STAGE in here and STAGE not in self.unfit
        for name in self.names_in(layout.PID_DIR):
            self._look(layout.PID_DIR + b"/" + name)
        for name in self.names_in(STAGE):
            digits, _, end = name.partition(b".")
            if (n := layout.number(digits)) is not None and end in states.FILES:
                self.staged.setdefault(n, {})[end] = STAGE + b"/" + name
                self._look(STAGE + b"/" + name)

    def names_in(self, directory: bytes) -> list[bytes]:
        try:
            return sorted(self.fs.listdir(directory))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _look(self, path: bytes) -> StatResult | None:
        try:
            self.stats[path] = self.fs.stat(path)
        except FileNotFoundError:
            return None
        return self.stats[path]

    def _paths(self, kind: bytes) -> Iterator[bytes]:
        if self._is_closed(kind):
            self.closed.append(kind)
        for name in self.names_in(kind):
            path = kind + b"/" + name
            found = self._look(path)
            if found is not None and found.st_mode & _TYPE_MASK == _DIRECTORY:
                if kind not in layout.SPLIT_KINDS or name not in _PARTS:
                    self.extra.append(path)
                yield from (path + b"/" + below for below in self.names_in(path))
            elif found is not None:
                if kind in layout.SPLIT_KINDS and name in _PARTS:
                    self.closed.append(path)
                yield path

    def _is_closed(self, directory: bytes) -> bool:
        try:
            return self.fs.stat(directory).st_mode & _TYPE_MASK != _DIRECTORY
        except FileNotFoundError:
            return False

    def _enter(self, kind: bytes, path: bytes) -> None:
        found = self._look(path)
        if found is None:
            return
        name = path.rpartition(b"/")[2]
        n = layout.number(name)
        is_regular = is_file(found)
        if n is None or name != b"%d" % n or not is_regular:
            self.strays.append(path)
            return
        files = self.messages.setdefault(n, {})
        if kind not in files:
            files[kind] = path
        elif path == proper(kind, n):
            self.doubles.append((n, files[kind]))
            files[kind] = path
        else:
            self.doubles.append((n, path))

    def _find_blocks(self) -> None:
        """What has the name of a message's file, wherever it lies, but is no file."""
        # An empty directory todo/N may be one of another split, or where todo/N was.
        unsplit = [
            path
            for path in self.extra
            if path.partition(b"/")[0] not in layout.SPLIT_KINDS
        ]
        found: dict[int, list[bytes]] = {}
        for path in (*self.strays, *unsplit):
            name = path.rpartition(b"/")[2]
            n = layout.number(name)
            if n is not None and name == b"%d" % n and path not in self.closed:
                found.setdefault(n, []).append(path)
        for n, paths in found.items():
            is_message = b"mess" in self.messages.get(n, {}) or any(
                path.startswith(b"mess/") for path in paths
            )
            if is_message:
                self.blocks[n] = paths
        blocks = {path for paths in self.blocks.values() for path in paths}
        self.strays = [path for path in self.strays if path not in blocks]
        self.extra = [path for path in self.extra if path not in blocks]

    def inode(self, path: bytes) -> int:
        return self.stats[path].st_ino

    def names(self) -> dict[int, int]:
        """How many names each inode has here; it should have no others."""
        count: dict[int, int] = {}
        for found in self.stats.values():
            count[found.st_ino] = count.get(found.st_ino, 0) + 1
        return count

    def is_guard(self, n: int) -> bool:
        """True if mess/N is a second name of the staged message N."""
        mess = self.messages.get(n, {}).get(b"mess")
        staged = self.staged.get(n, {}).get(b"mess")
        return bool(mess and staged and self.inode(mess) == self.inode(staged))

    def in_transit(self) -> set[int]:
        """Numbers whose files wait for an interrupted renumbering to go on."""
        found = {n for n in self.staged if self.is_guard(n)}
        for staged in self.staged.values():
            if b"mess" not in staged:
                continue
            n = self.inode(staged[b"mess"])
            mess = self.messages.get(n, {}).get(b"mess")
            # Else the number is still that of another message, not yet staged.
            if mess is None or self.inode(mess) == n:
                found.add(n)
        return found


def proper(kind: bytes, n: int) -> bytes:
    """Where the file of that kind of message n belongs."""
    if kind in layout.SPLIT_KINDS:
        return b"%b/%d/%d" % (kind, layout.split(n), n)
    return b"%b/%d" % (kind, n)


def is_file(found: StatResult) -> bool:
    """True for an ordinary file."""
    return found.st_mode & _TYPE_MASK == _REGULAR
