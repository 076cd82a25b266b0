"""What is wrong with a queue on disk: reads all of it, changes nothing.

Contract     inspect() gives one Finding for each thing that differs from what a healthy
             queue may hold (states.py, contents.py). Its `mend` says what repair.py can
             do about it; a NOTE is no fault but what qmail-clean will do anyway.
Safety       of a message with a part that programs would take for no part, or for one
             that is done, everything is LEFT. Mended half it could be whole enough to be
             removed: mess and info alone are what a delivered message is at its end.
At work      of a queue in use it is no snapshot. Who looks twice and keeps what was
             found both times has it right: no message stays between two states.
Directories  and the files in lock/ are not looked at here but by qmail.operator.
"""

from __future__ import annotations

import posix

from qmail.queue import contents, layout, states
from qmail.queue.contents import NO_RECIPIENT
from qmail.queue.survey import LOST, STAGE, Survey, is_file, proper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from pytools.base.seams import Fs, StatResult

LEFT: Final = "left"
OWN: Final = "own"
MOVE: Final = "move"
LOSE: Final = "lose"
PRUNE: Final = "prune"
NOTE: Final = "note"

MODES: Final = {
    **dict.fromkeys((b"mess", b"intd", b"todo"), 0o644),
    **dict.fromkeys((b"info", b"local", b"remote", b"bounce"), 0o600),
}
_TOP: Final = {*states.FILES, layout.PID_DIR, b"lock", b"lost+found", STAGE, LOST}

_READ = posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC
_BLOCK = 65536


class Finding:
    """One thing that is wrong; `n` is the message's number, -1 if it is none's."""

    __slots__ = ("mend", "n", "path", "what")

    def __init__(self, path: bytes, what: str, mend: str, n: int = -1) -> None:
        self.path = path
        self.what = what
        self.mend = mend
        self.n = n

    def key(self) -> tuple[bytes, str]:
        """The same for the same thing at a second look."""
        return self.path, self.what


def inspect(fs: Fs, uids: dict[bytes, int], now: float) -> list[Finding]:
    """All findings, in the order of the paths; `uids` has the owner of each kind."""
    survey = Survey(fs)
    found = [*_of_top(survey), *_of_pid(survey, now)]
    if survey.is_interrupted:
        what = "a renumbering was interrupted; messages may wait in it"
        found.append(Finding(STAGE, what, MOVE))
    found += [
        Finding(path, "is no directory, and a repair needs one of that name", LEFT)
        for path in survey.unfit
    ]
    found += [
        Finding(path, "is no file of any message: its name or type is wrong", LOSE)
        for path in survey.strays
    ]
    for kind in states.FILES:
        if count := sum(path.startswith(kind + b"/") for path in survey.extra):
            what = f"has directories of a queue not split by {layout.SPLIT}: {count}"
            found.append(Finding(kind, what, PRUNE))
    for n, path in survey.doubles:
        found.append(Finding(path, f"is a second file of message {n}", LEFT, n))
    for n, paths in survey.blocks.items():
        what = f"is no file, but stands where message {n} has one"
        found += [Finding(path, what, LEFT, n) for path in paths]
    skipped = survey.in_transit()
    names = survey.names()
    for n, files in survey.messages.items():
        if n not in skipped:
            of_this = [
                *_of_message(survey, n, files, now),
                *_of_owners(survey, files, uids),
                *_of_names(survey, files, names),
            ]
            if n in survey.blocks or any(f.what == NO_RECIPIENT for f in of_this):
                of_this = [Finding(f.path, f.what, LEFT, n) for f in of_this]
            found += of_this
    return sorted(found, key=Finding.key)


def queued(fs: Fs) -> int:
    """How many messages are queued."""
    found = (
        states.state_of(frozenset(files), after_power_cut=True)
        for files in Survey(fs).messages.values()
    )
    return sum(state in ("S4", "S5") for state in found)


def _of_top(survey: Survey) -> Iterator[Finding]:
    for name in survey.names_in(b"."):
        if name not in _TOP:
            yield Finding(name, "is no part of a queue", LEFT)


def _of_pid(survey: Survey, now: float) -> Iterator[Finding]:
    for path, found in survey.stats.items():
        if not path.startswith(layout.PID_DIR + b"/"):
            continue
        if not is_file(found):
            yield Finding(path, "is no file of a writer", LOSE)
        elif is_old(found, now):
            yield Finding(path, "its writer died; qmail-clean will remove it", NOTE)


def is_old(found: StatResult, now: float) -> bool:
    """True if no writer can be at it any more, as for the sweep."""
    last = max(found.st_atime, found.st_mtime, found.st_ctime)
    return now > last + layout.OSSIFIED_SECONDS


def _of_message(
    survey: Survey, n: int, files: dict[bytes, bytes], now: float
) -> Iterator[Finding]:
    if n in survey.blocks:
        yield from _of_places(survey, n, files)
        return
    if b"mess" not in files:
        for path in files.values():
            what = f"there is no mess/{layout.split(n)}/{n} that it would belong to"
            yield Finding(path, what, LOSE, n)
        return
    mess = files[b"mess"]
    now_mess = survey.stats[mess]
    state = states.state_of(frozenset(files), after_power_cut=True)
    if state is None:
        kinds = " ".join(kind.decode() for kind in states.FILES if kind in files)
        for path in files.values():
            what = f"message {n} is in no state: {kinds}, and nothing says from whom"
            yield Finding(path, what, LOSE, n)
        return
    yield from _of_places(survey, n, files)
    if state in ("S2", "S3"):
        if is_old(now_mess, now):
            what = "was never queued, its writer died; qmail-clean will remove it"
        else:
            what = "is being written, or its writer died less than 36 hours ago"
        yield Finding(mess, what, NOTE, n)
        return
    if now_mess.st_size == 0:
        yield Finding(mess, "is empty, but queued", LEFT, n)
    kinds_read = (b"todo",) if b"todo" in files else (b"info", b"local", b"remote")
    for kind in kinds_read:
        if kind in files and (wrong := _contents(survey.fs, kind, files[kind])):
            yield Finding(files[kind], wrong, LEFT, n)


def _of_places(survey: Survey, n: int, files: dict[bytes, bytes]) -> Iterator[Finding]:
    inode = survey.inode(files[b"mess"]) if b"mess" in files else n
    if inode != n:
        what = f"is inode {inode}: the queue was copied, a new message may get number"
        yield Finding(files[b"mess"], f"{what} {n} too", MOVE, n)
    for kind, path in files.items():
        if path != proper(kind, n):
            where = proper(kind, n).decode()
            yield Finding(path, f"should be {where}, where programs look", MOVE, n)


def _of_owners(
    survey: Survey, files: dict[bytes, bytes], uids: dict[bytes, int]
) -> Iterator[Finding]:
    for kind, path in files.items():
        found = survey.stats[path]
        if kind in uids and found.st_uid != uids[kind]:
            what = f"belongs to uid {found.st_uid}, should be {uids[kind]}"
            yield Finding(path, what, OWN)
        mode = found.st_mode & 0o7777
        if mode != MODES[kind]:
            what = f"has mode {mode:04o}, should be {MODES[kind]:04o}"
            yield Finding(path, what, OWN)


def _of_names(
    survey: Survey, files: dict[bytes, bytes], names: dict[int, int]
) -> Iterator[Finding]:
    for path in files.values():
        found = survey.stats[path]
        if found.st_nlink > names[found.st_ino]:
            what = f"has {found.st_nlink} names, here only {names[found.st_ino]}"
            yield Finding(path, what, LEFT)


def _contents(fs: Fs, kind: bytes, path: bytes) -> str | None:
    try:
        fd = fs.open(path, _READ)
    except FileNotFoundError:
        return None
    except OSError:
        return "cannot be read"
    try:
        return contents.complaint(kind, _chunks(fs, fd))
    finally:
        fs.close(fd)


def _chunks(fs: Fs, fd: int) -> Iterator[bytes]:
    while chunk := fs.read(fd, _BLOCK):
        yield chunk
