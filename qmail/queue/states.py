"""The states of a message, as data: which of its files exist.

The rows are those of the queue's theory (qmail-internals(7)): `+` the file exists, `-`
it does not, `?` either. Used by the crash tests, by whoever checks a queue at rest, and
by readers. A power cut may leave two rows more, which no program makes; each is harmless
for the reason given beside it.
"""

from __future__ import annotations

import posix

from qmail.queue import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from pytools.base.seams import Fs

FILES: Final = (b"mess", b"intd", b"todo", b"info", b"local", b"remote", b"bounce")

STATES: Final = {
    "S1": "-------",  # not in the queue
    "S2": "+------",  # the message being written, or the last step of its removal
    "S3": "++-----",  # its envelope being written
    "S4": "+?+???-",  # queued
    "S5": "+--+???",  # preprocessed
}

AFTER_POWER_CUT: Final = {
    # todo/N came back, and a delivery had failed already. It is preprocessed again;
    # what the bounce says remains true.
    "S4": "+?+????",
    # intd/N came back. Nobody reads it, and it goes with mess/N (clean.py).
    "S5": "++-+???",
}

TRANSITIONS: Final = (
    ("S1", "S2", "qmail-queue", "create mess/N"),
    ("S2", "S3", "qmail-queue", "create intd/N"),
    ("S3", "S4", "qmail-queue", "link intd/N to todo/N"),
    ("S4", "S5", "qmail-send, qmail-clean", "write info/N ...; remove intd/N, todo/N"),
    ("S5", "S2", "qmail-send", "remove local/N, remote/N, bounce/N, info/N"),
    ("S2", "S1", "qmail-clean", "remove mess/N"),
    ("S3", "S2", "qmail-clean", "remove intd/N of a writer that died"),
)


def fits(present: frozenset[bytes], row: str) -> bool:
    """True if these files and no others are what the row allows."""
    return all(
        mark == "?" or (mark == "+") == (kind in present)
        for kind, mark in zip(FILES, row, strict=True)
    )


def state_of(present: frozenset[bytes], after_power_cut: bool = False) -> str | None:
    """The state of a message with these files; None if there is no such state."""
    for table in (STATES, AFTER_POWER_CUT if after_power_cut else {}):
        for name, row in table.items():
            if fits(present, row):
                return name
    return None


def survey(fs: Fs = posix) -> dict[int, frozenset[bytes]]:
    """The files of every message, from the queue directory.

    Of a queue at work it is no snapshot: look twice before calling a state illegal.
    """
    found: dict[int, set[bytes]] = {}
    for kind in FILES:
        directories = [kind]
        if kind in layout.SPLIT_KINDS:
            directories = [kind + b"/%d" % part for part in range(layout.SPLIT)]
        for directory in directories:
            for name in fs.listdir(directory):
                n = layout.number(name)
                if n is not None:
                    found.setdefault(n, set()).add(kind)
    return {n: frozenset(kinds) for n, kinds in found.items()}


def check(fs: Fs = posix, after_power_cut: bool = True) -> list[tuple[int, str]]:
    """(number, what is wrong) of every message that is in no state it may be in."""
    wrong: list[tuple[int, str]] = []
    for n, present in sorted(survey(fs).items()):
        if state_of(present, after_power_cut) is None:
            kinds = " ".join(kind.decode() for kind in FILES if kind in present)
            wrong.append((n, f"no such state: {kinds}"))
        if b"mess" in present and fs.stat(layout.mess(n)).st_ino != n:
            wrong.append((n, "the number is not the inode of its message"))
    return wrong
