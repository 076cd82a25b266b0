"""No repair of a queue, whatever it looks like, loses a message.

What lies below mess/ with a part of an envelope under its number is a message. After a
repair it has all its parts still, unchanged, or is in lost/; and qmail-send, started
then, removes none without a delivery that it would not have removed before.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from qmail.queue import layout, states
from qmail.queue.beneath import Beneath
from qmail.queue.inspection import MODES
from qmail.queue.repair import repair
from tests.support.queuehome import make_queue

KINDS = tuple(kind.decode() for kind in states.FILES)
UIDS = dict.fromkeys(states.FILES, os.getuid())
CHANNELS = ("local", "remote")
COPIED = 10_000_000_000
"""More than any inode: the number of a message that came from another disk."""

Part = tuple[str, int, bytes]
"""Kind, type and content of a file."""

PRESENT = st.one_of(
    st.sampled_from(
        [
            ("mess", "intd", "todo"),
            ("mess", "todo", "info", "local"),
            ("mess", "info", "local", "bounce"),
            ("mess", "info", "local", "remote"),
        ]
    ),
    st.lists(st.sampled_from(KINDS[1:]), unique=True).map(lambda k: ("mess", *k)),
)
OF_FILE = ("link", "dangling", "fifo", "directory", "empty", "done", "gone", "mode")
OF_PLACE = ("other part", "other split", "split", "twice")
DAMAGE = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(KINDS), st.sampled_from(OF_FILE)),
    max_size=3,
)
MISPLACED = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(KINDS), st.sampled_from(OF_PLACE)),
    max_size=3,
)
RENUMBERED = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["copied", "swap", "all split"])),
    max_size=2,
)


def content(kind: str, token: int) -> bytes:
    """What the file of that kind says of the message with that token."""
    return {
        "mess": b"Subject: %d\n\n",
        "intd": b"u5\0p7\0Fs%d@example.org\0Tr@example.org\0",
        "todo": b"u5\0p7\0Fs%d@example.org\0Tr@example.org\0",
        "info": b"Fs%d@example.org\0",
        "local": b"Dr@example.org\0Tx%d@example.org\0",
        "remote": b"Tr%d@example.net\0",
        "bounce": b"<r%d@example.org>:\nno\n\n",
    }[kind] % token


class Damaged:
    """A queue in a directory, to be spoilt."""

    def __init__(self, base: Path) -> None:
        self.base = base / "queue"
        self.away = base / "away"
        self.away.mkdir()
        make_queue(str(self.base))
        self.numbers: list[int] = []

    def path(self, kind: str, n: int) -> Path:
        place = getattr(layout, kind)(n)
        assert isinstance(place, bytes)
        return self.base / os.fsdecode(place)

    def add(self, kinds: tuple[str, ...]) -> None:
        token = len(self.numbers)
        new = self.base / "mess/new"
        new.write_bytes(content("mess", token))
        n = new.stat().st_ino
        new.rename(self.path("mess", n))
        for kind in kinds[1:]:
            self.path(kind, n).write_bytes(content(kind, token))
        for kind in kinds:
            self.path(kind, n).chmod(MODES[kind.encode()])
        self.numbers.append(n)

    def paths(self, kind: str, n: int) -> list[Path]:
        """Where there is something with the name of that file."""
        return sorted(self.base.joinpath(kind).rglob(str(n)))

    def spoil(self, n: int, kind: str, how: str) -> None:
        """One file."""
        for path in self.paths(kind, n)[:1]:
            if path.is_dir() or path.is_symlink():
                return
            if how in ("empty", "done"):
                path.write_bytes(b"" if how == "empty" else b"Dr@example.org\0")
            elif how == "mode":
                path.chmod(0o400)
            elif how == "link":
                path.rename(self.away / f"{kind}{n}")
                path.symlink_to(self.away / f"{kind}{n}")
            else:
                path.unlink()
                if how == "dangling":
                    path.symlink_to("/nowhere")
                elif how == "fifo":
                    os.mkfifo(path)
                elif how == "directory":
                    path.mkdir()

    def misplace(self, n: int, kind: str, how: str) -> None:
        """One file, whatever it is."""
        for path in self.paths(kind, n)[:1]:
            part = {"other part": n + 1, "other split": 57}.get(how, n) % layout.SPLIT
            where = self.base / kind / str(57 if how == "other split" else part)
            if how == "twice":
                where = self.base / kind / str((n + 2) % layout.SPLIT)
            where.mkdir(exist_ok=True)
            if how != "twice":
                path.rename(where / str(n))
            elif kind != "mess" and stat.S_ISREG(path.lstat().st_mode):
                (where / str(n)).write_bytes(b"another")

    def renumber(self, i: int, how: str) -> None:
        """All files of a message, as when the queue was copied or is of another split."""
        n = self.numbers[i]
        other = self.numbers[(i + 1) % len(self.numbers)]
        if how == "all split":
            for kind in KINDS:
                self.misplace(n, kind, "other split")
            return
        pairs = [(n, n + COPIED)] if how == "copied" else [(n, other), (other, n)]
        moved = [
            (path, path.with_name(str(new)), path.with_name(f"{new}.new"))
            for old, new in ([] if n == other and how == "swap" else pairs)
            for kind in KINDS
            for path in self.paths(kind, old)
        ]
        for path, _, between in moved:
            path.rename(between)
        for _, path, between in moved:
            target = self.path(path.relative_to(self.base).parts[0], int(path.name))
            between.rename(path if os.path.lexists(target) else target)
        if how == "copied":
            self.numbers[i] = n + COPIED
        else:
            self.numbers[i], self.numbers[(i + 1) % len(self.numbers)] = other, n

    # What became of it.

    def parts(self, n: int) -> list[Part]:
        """Of message n, wherever they lie; those that are its files alone."""
        return sorted(
            (kind, stat.S_IFMT(path.lstat().st_mode), data(path))
            for kind in KINDS
            for path in self.paths(kind, n)
        )

    def messages(self) -> Iterator[tuple[int, bytes]]:
        """(number, content) of all that lies below mess/."""
        for path in self.base.joinpath("mess").rglob("*"):
            if path.name.isdigit() and not (
                path.is_dir() and path.parent.name == "mess"
            ):
                yield int(path.name), data(path)

    def ends(self, n: int) -> bool:
        """True if qmail-send, started now, would remove message n undelivered."""
        if not self.path("mess", n).exists():
            return False
        if not self.path("info", n).exists():
            return not self.path("todo", n).exists()
        return (
            not self.path("todo", n).exists()
            and not self.path("bounce", n).exists()
            and all(is_over([self.path(kind, n)]) for kind in CHANNELS)
        )

    def seems_over(self, n: int) -> bool:
        """As ends(), if every part were in its place and of the right type."""
        found = {kind: self.paths(kind, n) for kind in KINDS}
        if not found["info"]:
            return not found["todo"]
        return not (found["todo"] or found["bounce"]) and all(
            is_over(found[kind]) for kind in CHANNELS
        )


def data(path: Path) -> bytes:
    """The content of a file, the target of a link; nothing of anything else."""
    if path.is_symlink():
        return os.fsencode(os.readlink(path))
    return path.read_bytes() if path.is_file() else b""


def is_over(paths: list[Path]) -> bool:
    """True if these name no recipient who is still to get it."""
    return all(
        not path.exists()
        or (
            path.is_file()
            and all(r[:1] != b"T" for r in path.read_bytes().split(b"\0"))
        )
        for path in paths
    )


@settings(max_examples=80, deadline=None)
@given(st.lists(PRESENT, min_size=1, max_size=4), RENUMBERED, MISPLACED, DAMAGE)
def test_repair_loses_no_message(
    kinds: list[tuple[str, ...]],
    renumbered: list[tuple[int, str]],
    misplaced: list[tuple[int, str, str]],
    damage: list[tuple[int, str, str]],
) -> None:
    with tempfile.TemporaryDirectory() as base:
        queue = Damaged(Path(base))
        for present in kinds:
            queue.add(present)
        count = len(kinds)
        for i, how in renumbered:
            queue.renumber(i % count, how)
        for i, kind, how in damage:
            queue.spoil(queue.numbers[i % count], kind, how)
        for i, kind, how in misplaced:
            queue.misplace(queue.numbers[i % count], kind, how)
        before = {
            content: (queue.parts(n), queue.ends(n) or queue.seems_over(n))
            for n, content in queue.messages()
        }
        fs = Beneath(os.fsencode(queue.base))
        try:
            for _ in range(2):
                for _ in repair(fs, UIDS, queue.base.stat().st_mtime):
                    pass
        finally:
            fs.done()
        after = {content: n for n, content in queue.messages()}
        lost = {
            data(path) for path in queue.base.glob("lost/*") if path.name[:4] == "mess"
        }
        for message, (parts, was_over) in before.items():
            assert message in after or message in lost
            if message not in after:
                continue
            n = after[message]
            assert queue.parts(n) == parts
            assert was_over or not queue.ends(n)
