"""Gives messages the numbers of their inodes, and every file its right place.

A queue that was copied has messages whose number is not the inode of mess/N, and a queue
of another split has files where no program looks. Both are mended in two phases:

    out   each file gets a second name in renumber/, then loses the one it had: what
          qmail-send does not look at first, then info and todo, and mess last.
    in    mess gets its new name first, then what qmail-send does not look at, then info
          and todo; then the names in renumber/ go, mess last.

States       before, after and between: no number has files of two messages, and what is
             neither out nor in yet is whole in renumber/ or whole where it was.
Durability   a name goes only when the other one is durable. Whoever is interrupted is
             continued by the next run: all that it needs to know are the names, and the
             inode of renumber/N.mess, which is the new number.
Assumes      no qmail-send runs. New messages may come at any time: their inodes are free
             ones, and mess/N keeps number N until everything of the old N is out.
"""

from __future__ import annotations

from pytools.base.durable import parent, sync_dir
from qmail.queue.inspection import MOVE, Finding
from qmail.queue.survey import STAGE, Survey, proper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from typing import Final, Protocol

    from pytools.base.seams import Fs, StatResult

    Kinds = tuple[bytes, ...]

    class RepairFs(Fs, Protocol):
        """The calls that a repair makes; Beneath has them."""

        def rmdir(self, path: bytes, /) -> None: ...
        def own(
            self,
            path: bytes,
            owner: tuple[int, int],
            seen: StatResult,
            names: int,
            known: Container[int],
        ) -> None: ...


MESS: Final[Kinds] = (b"mess",)
HIDDEN: Final[Kinds] = (b"bounce", b"local", b"remote", b"intd")
"""Without info and todo qmail-send never looks at these."""
VISIBLE: Final[Kinds] = (b"info", b"todo")


def renumber(fs: RepairFs, findings: Iterable[Finding]) -> list[str]:
    """Mend all findings that can be mended so; say what was done."""
    survey = Survey(fs)
    wrong = {finding.n for finding in findings if finding.mend == MOVE}
    doubled = {n for n, _ in survey.doubles}
    plan = {n: survey.messages[n] for n in wrong - doubled if n in survey.messages}
    plan = _without_shared(survey, plan)
    guards = {n for n in survey.staged if survey.is_guard(n)}
    plan = _without_blocked(survey, plan, guards)
    for n in guards:
        plan[n] = survey.messages[n]
    if not plan and not survey.is_interrupted:
        return []
    _out(fs, plan, survey)
    return _in(fs)


def _without_shared(
    survey: Survey, plan: dict[int, dict[bytes, bytes]]
) -> dict[int, dict[bytes, bytes]]:
    """Two names of one inode cannot both be its number: such messages stay."""
    owners: dict[int, list[int]] = {}
    for n, files in survey.messages.items():
        if b"mess" in files:
            owners.setdefault(survey.inode(files[b"mess"]), []).append(n)
    return {
        n: files
        for n, files in plan.items()
        if b"mess" in files and owners[survey.inode(files[b"mess"])] == [n]
    }


def _without_blocked(
    survey: Survey, plan: dict[int, dict[bytes, bytes]], guards: set[int]
) -> dict[int, dict[bytes, bytes]]:
    """Only those whose new number is free, or that of a message which gets another.

    The others stay: out of their places, with no place to go to, nobody would see them.
    """
    taken = {*survey.messages, *survey.blocks} - guards
    while True:
        free = {
            n: files
            for n, files in plan.items()
            if (m := survey.inode(files[b"mess"])) in plan or m not in taken
        }
        if len(free) == len(plan):
            return free
        plan = free


def _out(fs: RepairFs, plan: dict[int, dict[bytes, bytes]], survey: Survey) -> None:
    try:
        fs.mkdir(STAGE, 0o700)
    except FileExistsError:
        pass
    sync_dir(b".", fs)
    for n, files in plan.items():
        for kind, path in files.items():
            _second_name(fs, path, _staged(n, kind))
    sync_dir(STAGE, fs)
    for kinds in (HIDDEN, VISIBLE, MESS):
        gone = [files[k] for files in plan.values() for k in kinds if k in files]
        _remove(fs, gone)
    _drop_halves(fs, survey)


def _drop_halves(fs: RepairFs, survey: Survey) -> None:
    """Names that a power cut left in renumber/ without their mess; all are elsewhere."""
    now = Survey(fs)
    for n, files in now.staged.items():
        if b"mess" in files:
            continue
        known = {now.inode(path) for path in now.messages.get(n, {}).values()}
        _remove(fs, [path for path in files.values() if now.inode(path) in known])


def _in(fs: RepairFs) -> list[str]:
    survey = Survey(fs)
    done: dict[int, int] = {}
    for n, files in survey.staged.items():
        if b"mess" in files and not _is_taken(survey, files):
            done[n] = survey.inode(files[b"mess"])
    for kinds in (MESS, HIDDEN, VISIBLE):
        changed: set[bytes] = set()
        for n, m in done.items():
            for kind in kinds:
                if kind in survey.staged[n]:
                    target = proper(kind, m)
                    _second_name(fs, survey.staged[n][kind], target)
                    changed.add(parent(target))
        _sync(fs, changed)
    for kinds in ((*HIDDEN, *VISIBLE), MESS):
        _remove(
            fs,
            [survey.staged[n][k] for n in done for k in kinds if k in survey.staged[n]],
        )
    if not fs.listdir(STAGE):
        fs.rmdir(STAGE)
        sync_dir(b".", fs)
    return [
        f"message {n} has its files in their places"
        if n == m
        else f"message {n} is message {m} now, the inode of its file"
        for n, m in sorted(done.items())
    ]


def _is_taken(survey: Survey, files: dict[bytes, bytes]) -> bool:
    """True if a place that the message is to go to holds another file."""
    m = survey.inode(files[b"mess"])
    there = survey.messages.get(m, {})
    return m in survey.blocks or any(
        kind in there and survey.inode(there[kind]) != survey.inode(path)
        for kind, path in files.items()
    )


def _staged(n: int, kind: bytes) -> bytes:
    return b"%b/%d.%b" % (STAGE, n, kind)


def _second_name(fs: RepairFs, path: bytes, name: bytes) -> None:
    """Link; where another file has the name already, this one is the newer."""
    try:
        fs.link(path, name)
    except FileExistsError:
        if fs.stat(path).st_ino == fs.stat(name).st_ino:
            return
        fs.unlink(name)
        fs.link(path, name)


def _remove(fs: RepairFs, paths: list[bytes]) -> None:
    for path in paths:
        try:
            fs.unlink(path)
        except FileNotFoundError:
            pass
    _sync(fs, {parent(path) for path in paths})


def _sync(fs: RepairFs, directories: set[bytes]) -> None:
    for directory in sorted(directories):
        sync_dir(directory, fs)
