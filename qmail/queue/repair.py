"""Mends what inspection.py finds, as far as that is safe, and says what it did.

Contract     nobody else works on the queue: qmail-send and qmail-queued do not run.
Rule         nothing is deleted but empty directories. What belongs to no message, or to
             one that cannot be delivered because a part is missing, gets a name in
             lost/. The rest stays, and with it every message of which a part is there
             but no file, or empty: without that part it could look delivered. Where a
             directory is none, so that files may lie unseen, no file is moved: it may
             not be what it seems; nor where lost/ or renumber/ is none.
Durability   in every step a file has its new name for good before it loses the old one,
             so a repair that was interrupted is just done again.
"""

from __future__ import annotations

from pytools.base.durable import parent, sync_dir
from qmail.queue.inspection import (
    LEFT,
    LOSE,
    MODES,
    OWN,
    PRUNE,
    Finding,
    inspect,
)
from qmail.queue.renumber import renumber
from qmail.queue.survey import LOST, Survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

    from qmail.queue.renumber import RepairFs

    Line = tuple[str, str]

MENDED: Final = "mended"


def repair(fs: RepairFs, uids: dict[bytes, int], now: float) -> Iterator[Line]:
    """Do all of it, in the queue directory that `fs` is; MENDED or LEFT, and what.

    Names are as on the disk, be they fit for a terminal or not. OSError where the file
    system refuses; then the next repair goes on from there.
    """
    survey = Survey(fs)
    closed = [*survey.closed, *survey.unfit]
    for path in closed:
        yield LEFT, f"{_text(path)} is no directory: no message is moved"
    if not closed:
        yield from lose(fs, inspect(fs, uids, now))
        for line in renumber(fs, inspect(fs, uids, now)):
            yield MENDED, line
    yield from prune(fs, inspect(fs, uids, now))
    yield from own(fs, inspect(fs, uids, now), uids)


def lose(fs: RepairFs, findings: Iterable[Finding]) -> Iterator[Line]:
    """Move files that cannot be explained into lost/."""
    # The message itself goes first: without it the rest is found to be wrong again,
    # while mess/N alone would be one being written, which a sweep removes.
    paths = sorted(
        (finding.path for finding in findings if finding.mend == LOSE),
        key=lambda path: (not path.startswith(b"mess/"), path),
    )
    if not paths:
        return
    try:
        fs.mkdir(LOST, 0o700)
    except FileExistsError:
        pass
    sync_dir(b".", fs)
    for path in paths:
        try:
            name = _second_name(fs, path)
        except (FileNotFoundError, PermissionError, IsADirectoryError):
            yield LEFT, f"{_text(path)} stays: it cannot be moved"
            continue
        sync_dir(LOST, fs)
        fs.unlink(path)
        sync_dir(parent(path), fs)
        yield MENDED, f"{_text(path)} is {_text(name)} now"


def _second_name(fs: RepairFs, path: bytes) -> bytes:
    base = LOST + b"/" + path.replace(b"/", b"-")
    name, count = base, 1
    while True:
        try:
            fs.link(path, name)
            return name
        except FileExistsError:
            # From an interrupted repair, or from one long ago.
            if fs.stat(path).st_ino == fs.stat(name).st_ino:
                return name
        count += 1
        name = base + b".%d" % count


def prune(fs: RepairFs, findings: Iterable[Finding]) -> Iterator[Line]:
    """Remove the directories of another split, which are empty now."""
    kinds = {finding.path for finding in findings if finding.mend == PRUNE}
    full: set[bytes] = set()
    for path in Survey(fs).extra if kinds else ():
        try:
            fs.rmdir(path)
        except OSError:
            full.add(path)
    for path in sorted(full):
        yield LEFT, f"{_text(path)} stays: it is not empty"
    for kind in sorted(kinds - {path.partition(b"/")[0] for path in full}):
        yield MENDED, f"{_text(kind)} has lost its directories of another split"


def own(
    fs: RepairFs, findings: Iterable[Finding], uids: dict[bytes, int]
) -> Iterator[Line]:
    """Set owners and modes of messages' files."""
    survey = Survey(fs)
    names = survey.names()
    known = {0, *uids.values()}
    for path in sorted({finding.path for finding in findings if finding.mend == OWN}):
        kind = path.partition(b"/")[0]
        if path not in survey.stats:
            continue
        seen = survey.stats[path]
        try:
            fs.own(path, (uids[kind], MODES[kind]), seen, names[seen.st_ino], known)
        except OSError as error:
            yield LEFT, f"{_text(path)} stays: {error.strerror}"
            continue
        yield MENDED, f"{_text(path)} has its owner and mode"


def _text(path: bytes) -> str:
    return path.decode("utf-8", "replace")
