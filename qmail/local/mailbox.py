"""A Maildir as its reader sees it: what lies there, in order, while others use it too.

Contract     the working directory is the Maildir. ``Message.name`` stays the same while
             the message exists, whatever flags are put behind its colon.
Shared       another reader moves a message from new/ to cur/, renames it there for its
             flags, or removes it, at any time. So a message that is not where it was is
             looked for once more, under its name, before it counts as gone; files with
             other names, such as those that Dovecot keeps beside, are left alone.
Durability   nothing is fsynced: what a power cut brings back is read twice, not lost.
Format       maildir(5).
"""

from __future__ import annotations

import posix
from bisect import bisect_left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

DIRECTORIES: Final = (b"new", b"cur")
TMP_SECONDS: Final = 129600
"""What nobody has looked at for so long in tmp/ is left over from a failed delivery."""
_SECOND: Final = 1_000_000_000
_STAMP, _SIZE = -20, -8  # where they begin in a record
_FORMAT: Final = 0o170000
_REGULAR: Final = 0o100000
# How often messages are looked for that another reader moves all the time.
_TRIES: Final = 3
# O_NONBLOCK: what was a file when it was listed may be a FIFO by now.
_READ: Final = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK


class Message:
    """One message: where it was last, its size in the file, the second it came."""

    __slots__ = ("path", "size", "when")

    def __init__(self, path: bytes, size: int, when: int) -> None:
        self.path = path
        self.size = size
        self.when = when

    @property
    def name(self) -> bytes:
        """What tells it from every other: its file name without the flags."""
        return name_of(self.path[4:])


class Messages:
    """The messages of a scan. Each is one bytes object: a Maildir may hold many.

    A record is a place (see ``_place``), then mtime, in ns, and size.
    """

    __slots__ = ("_records",)

    def __init__(self, records: list[bytes]) -> None:
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, number: int) -> Message:
        record = self._records[number]
        when = _arrived(record) // _SECOND
        return Message(_path(record[:_STAMP]), self.size(number), when)

    def __iter__(self) -> Iterator[Message]:
        return (self[number] for number in range(len(self)))

    def name(self, number: int) -> bytes:
        """``self[number].name``"""
        return self._records[number].partition(b"\0")[0]

    def size(self, number: int) -> int:
        """``self[number].size``"""
        return int.from_bytes(self._records[number][_SIZE:], "big")


def name_of(entry: bytes) -> bytes:
    """A file name without ``:`` and the flags after it."""
    return entry.partition(b":")[0]


def clean_tmp(now: int) -> None:
    """Remove what failed deliveries left in tmp/."""
    for entry in _entries(b"tmp"):
        path = b"tmp/" + entry
        try:
            if now > posix.stat(path).st_atime + TMP_SECONDS:
                posix.unlink(path)
        except OSError:
            continue


def scan(
    now: int,
    directories: tuple[bytes, ...] = DIRECTORIES,
    *,
    doubles: bool = False,
) -> Messages:
    """The messages that came before this second, oldest first.

    What comes within it is left for later: a message that comes after the scan must not
    get a number below one that was there. COMPAT: the original knows seconds only, and
    gives the messages of one in any order; here the nanoseconds decide, then the name.
    What is no file is no message: the original makes an empty one of a FIFO, and a
    directory ends the program. ``doubles``: also those with the name of another, which
    may be that one, moved during the scan. OSError with a directory that cannot be
    listed.
    """
    records = []
    for directory in directories:
        with posix.scandir(directory) as entries:
            for entry in entries:
                if entry.name.startswith(b"."):
                    continue
                try:
                    status = entry.stat()
                except OSError:
                    continue
                arrived = status.st_mtime_ns
                if status.st_mode & _FORMAT == _REGULAR and arrived // _SECOND < now:
                    place = _place(directory, entry.name)
                    stamp = arrived.to_bytes(_SIZE - _STAMP, "big", signed=True)
                    records.append(place + stamp + status.st_size.to_bytes(8, "big"))
    records.sort()
    if not doubles:
        _drop_doubles(records)
    records.sort(key=_arrived)
    return Messages(records)


def _drop_doubles(records: list[bytes]) -> None:
    """Of records with the same name, which are neighbours, leave the first.

    One that was moved from new/ to cur/ during the scan is there twice.
    """
    kept, last = 0, None
    for record in records:
        name = record.partition(b"\0")[0]
        if name != last:
            records[kept] = record
            kept, last = kept + 1, name
    del records[kept:]


def _arrived(record: bytes) -> int:
    return int.from_bytes(record[_STAMP:_SIZE], "big", signed=True)


def _place(directory: bytes, entry: bytes) -> bytes:
    """A path that sorts by name, cur/ before new/: name, NUL, c or n, flags."""
    name = name_of(entry)
    return b"%b\0%b%b" % (name, directory[:1], entry[len(name) :])


def _path(place: bytes) -> bytes:
    name, _, rest = place.partition(b"\0")
    return (b"cur/" if rest[:1] == b"c" else b"new/") + name + rest[1:]


class Finder:
    """Opens and changes messages, wherever they are by now."""

    __slots__ = ("_listed", "_places")

    def __init__(self) -> None:
        self._places: list[bytes] = []
        self._listed: list[int] = []

    def open(self, message: Message) -> int:
        """A descriptor of the message's file. OSError: it is gone, or unreadable."""
        try:
            return posix.open(message.path, _READ)
        except FileNotFoundError:
            pass
        path = self._known(message.name)
        if path is not None:
            try:
                return posix.open(path, _READ)
            except FileNotFoundError:
                pass
        self._list()
        path = self._known(message.name)
        if path is None:
            raise FileNotFoundError(message.path)
        return posix.open(path, _READ)

    def remove(self, messages: Iterable[Message]) -> bool:
        """Remove messages; False if one is left. If another removed it, that is the same.

        All are tried where they were, before those that are missing are looked for: one
        listing of the directories does for any number of them.
        """
        done = True
        missing = []
        for message in messages:
            try:
                posix.unlink(message.path)
            except FileNotFoundError:
                missing.append(message.name)
            except OSError:
                done = False
        for _ in range(_TRIES):
            if not missing:
                break
            self._list()
            moved = []
            for name in missing:
                # A name that is not in a listing made since it was missed is gone.
                path = self._known(name)
                if path is None:
                    continue
                try:
                    posix.unlink(path)
                except FileNotFoundError:
                    moved.append(name)
                except OSError:
                    done = False
            missing = moved
        return done and not missing

    def mark_old(self, message: Message) -> None:
        """Move the message from new/ to cur/ if it is still there."""
        path = message.path
        if path.startswith(b"new/"):
            try:
                posix.rename(path, b"cur/%b:2," % path[4:])
            except OSError:
                pass  # it stays new, or another reader has moved it

    def _known(self, name: bytes) -> bytes | None:
        """Where the last listing had the message of that name."""
        start = name + b"\0"
        at = bisect_left(self._places, start)
        if at < len(self._places) and self._places[at].startswith(start):
            return _path(self._places[at])
        return None

    def _list(self) -> None:
        """List the directories, if they have changed since it was done last."""
        places: list[bytes] = []
        try:
            changed = [posix.stat(name).st_mtime_ns for name in DIRECTORIES]
            if changed == self._listed:
                return
            for directory in DIRECTORIES:
                with posix.scandir(directory) as entries:
                    places.extend(_place(directory, entry.name) for entry in entries)
        except OSError:
            # What cannot be listed is not found.
            changed, places = [], []
        places.sort()
        self._listed, self._places = changed, places


def _entries(directory: bytes) -> list[bytes]:
    try:
        return [name for name in posix.listdir(directory) if name[:1] != b"."]
    except OSError:
        return []
