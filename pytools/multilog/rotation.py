"""Rotation: ``current`` is full, becomes a shelved file, and a new one begins.

Plain        current -> previous -> @stamp.s
Processor    current -> previous; ``!cmd`` reads previous and state, writes processed
             and newstate; newstate -> state, processed -> @stamp.s
Durability   when ``rotate`` returns, every line of the old file survives a power cut.
             Dying anywhere on the way leaves each line in exactly one place where the
             next start looks for it (recovery.py): under current, under previous (with
             or without a second, stamped link), under processed with u+x, or shelved.
"""

from __future__ import annotations

from pytools.base.durable import close_quietly
from pytools.multilog.files import APPEND, COMPLETE, SAFE_MODE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.multilog.files import LogFiles
    from pytools.multilog.seams import RunProcessor


def rotate(files: LogFiles, fd: int, processor: bytes | None, run: RunProcessor) -> int:
    """Put the open file ``fd``, which is current, away; a new current's descriptor."""
    files.enter()
    files.sync(fd, b"current")
    files.rename(b"current", b"previous")
    files.set_mode(fd, SAFE_MODE, b"previous")
    close_quietly(fd, files.fs)
    if processor is None:
        # PERF: the one fsync of the directory that shelve makes covers the rename too.
        files.shelve(b"previous", COMPLETE)
        new = files.create_current()
        # DURABILITY: previous and the stamped name are two links to one file until the
        # next line; a start that finds both removes previous.
        files.remove(b"previous")
        files.prune()
        return new
    # DURABILITY: the new current must not reach the disk before the rename does, or it
    # would be the only bearer of the name.
    files.sync_names()
    new = files.create_current()
    process(files, processor, run)
    return new


def process(files: LogFiles, processor: bytes, run: RunProcessor) -> None:
    """Have ``previous`` processed, and shelve the result in its place."""
    while status := files.insist(
        lambda: run(processor), b"unable to fork for processor in ", files.name
    ):
        verdict = b"crashed" if status & 127 else b"failed"
        files.complain(b"processor ", verdict, b" in ", files.name)
    for file in (b"processed", b"newstate"):
        _settle(files, file)
    files.sync_names()
    # DURABILITY: from here on processed has u+x, on disk and with all its data: a start
    # takes it for the log, and previous for what it was made from. Before, previous is
    # the log and processed is thrown away.
    files.remove(b"previous")
    files.rename(b"newstate", b"state")
    files.finish(b"processed", COMPLETE)
    # DURABILITY: a name of processed that outlived the next rename would make a start
    # take the next previous for what this processed was made from.
    files.sync_names()


def _settle(files: LogFiles, file: bytes) -> None:
    """Make what the processor wrote durable; then say so in the mode of processed."""
    fd = files.insist(
        # Made here only if the processor took its name away: 0600, as in the original.
        lambda: files.open(file, APPEND, 0o600),
        *(b"unable to create ", files.name, b"/", file),
    )
    files.sync(fd, file)
    if file == b"processed":
        files.set_mode(fd, SAFE_MODE, file)
        # The mode is what a start goes by: it must not lag behind previous' removal.
        files.sync(fd, file)
    close_quietly(fd, files.fs)
