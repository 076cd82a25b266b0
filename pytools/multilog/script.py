"""multilog's script: the words of the command line, read once.

Two kinds    ``s n ! t`` settings and the directories are read from left to right before
             the first line; ``+ - e =`` and the directories are then carried out from
             left to right for every line. A word that is none of these does nothing.
"""

from __future__ import annotations

from pytools.base.options import scan_ulong

DEFAULT_SIZE = 99999
MIN_SIZE = 4096
MAX_SIZE = 16777215
DEFAULT_KEEP = 10
MIN_KEEP = 2

SELECT = b"+"
DESELECT = b"-"
ALERT = b"e"
STATUS = b"="
DIRECTORY = b"/"


class DirectorySpec:
    """A log directory as the script asks for it."""

    __slots__ = ("keep", "name", "processor", "size")

    def __init__(
        self, name: bytes, size: int, keep: int, processor: bytes | None
    ) -> None:
        self.name = name
        self.size = size
        self.keep = keep
        self.processor = processor


class Script:
    """What a script says: ``actions`` are (kind, argument) in their order.

    The n-th STATUS among them belongs to the n-th of ``statuses``, the n-th DIRECTORY
    to the n-th of ``directories``.
    """

    __slots__ = ("actions", "directories", "statuses", "timestamp")

    def __init__(self) -> None:
        self.timestamp = False
        self.actions: list[tuple[bytes, bytes]] = []
        self.directories: list[DirectorySpec] = []
        self.statuses: list[bytes] = []


def parse(words: list[bytes]) -> Script:
    """Read the script; every list of words is one."""
    script = Script()
    script.timestamp = bool(words) and words[0].startswith(b"t")
    size, keep, processor = DEFAULT_SIZE, DEFAULT_KEEP, None
    for word in words:
        kind, argument = word[:1], word[1:]
        if kind in (SELECT, DESELECT, ALERT):
            script.actions.append((kind, argument))
        elif kind == STATUS:
            script.actions.append((kind, argument))
            script.statuses.append(argument)
        elif kind == b"s":
            # COMPAT: no digits are 0 here, as in the original, hence the least size.
            size = min(max(scan_ulong(argument)[0], MIN_SIZE), MAX_SIZE)
        elif kind == b"n":
            keep = max(scan_ulong(argument)[0], MIN_KEEP)
        elif kind == b"!":
            processor = argument
        elif kind in (b".", b"/"):
            script.actions.append((DIRECTORY, word))
            script.directories.append(DirectorySpec(word, size, keep, processor))
    return script
