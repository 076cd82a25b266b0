"""The checker of the queue on disk, and the repair: a real queue for each fault."""

from __future__ import annotations

import errno
import os
import posix
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qmail.queue import contents, layout, states
from qmail.queue.beneath import Beneath
from qmail.queue.inspection import LEFT, LOSE, MOVE, NOTE, OWN, PRUNE, Finding, inspect
from qmail.queue.repair import repair
from tests.support.queuehome import make_queue

HOURS = 3600
UIDS = dict.fromkeys(states.FILES, os.getuid())
DATA = {
    "mess": b"Received: (qmail 7 invoked by uid 5); 22 Nov 2026 14:10:53 -0000\n\n",
    "intd": b"u5\0p7\0Fs@example.org\0Tr@example.org\0",
    "todo": b"u5\0p7\0Fs@example.org\0Tr@example.org\0",
    "info": b"Fs@example.org\0",
    "local": b"Dr@example.org\0Tx@example.org\0",
    "remote": b"Tr@example.net\0",
    "bounce": b"<r@example.org>:\nno\n\n",
}


class Queue:
    """A queue in a directory, and what is found in it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        make_queue(str(base))
        self.fs = Beneath(os.fsencode(base))
        self.later = 0.0

    def path(self, kind: str, n: int) -> Path:
        place = getattr(layout, kind)(n)
        assert isinstance(place, bytes)
        return self.base / os.fsdecode(place)

    def put(self, path: Path, data: bytes) -> Path:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        kind = path.relative_to(self.base).parts[0]
        path.chmod(0o644 if kind in ("mess", "intd", "todo") else 0o600)
        return path

    def message(self, *kinds: str) -> int:
        new = self.put(self.base / "mess/new", DATA["mess"])
        n = new.stat().st_ino
        new.rename(self.path("mess", n))
        for kind in kinds:
            if kind == "todo" and "intd" in kinds:
                os.link(self.path("intd", n), self.path("todo", n))
            else:
                self.put(self.path(kind, n), DATA[kind])
        return n

    def now(self) -> float:
        return (self.base / "mess").stat().st_mtime + self.later

    def found(self) -> list[Finding]:
        return inspect(self.fs, UIDS, self.now())

    def only(self) -> Finding:
        (finding,) = self.found()
        return finding

    def mend(self) -> list[str]:
        return [text for _, text in repair(self.fs, UIDS, self.now())]

    def files(self) -> set[str]:
        names = (p for p in self.base.rglob("*") if not p.is_dir())
        return {str(p.relative_to(self.base)) for p in names} - {"lock/trigger"}


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    made = Queue(tmp_path / "queue")
    yield made
    made.fs.done()


def test_healthy_messages_of_every_state_are_no_findings(queue: Queue) -> None:
    queue.message("intd", "todo")
    queue.message("todo", "info", "local")
    queue.message("info", "local", "remote", "bounce")
    queue.message("info")
    assert queue.found() == []


@pytest.mark.parametrize("kinds", [(), ("intd",)])
def test_writers_message_is_a_note_young_and_old(
    queue: Queue, kinds: tuple[str, ...]
) -> None:
    queue.message(*kinds)
    assert queue.only().mend == NOTE
    assert "being written" in queue.only().what
    queue.later = 37 * HOURS
    assert queue.only().mend == NOTE
    assert "its writer died; qmail-clean" in queue.only().what
    before = queue.files()
    assert queue.mend() == []
    assert queue.files() == before


def test_pid_file_is_a_note_when_its_writer_died_long_ago(queue: Queue) -> None:
    queue.put(queue.base / "pid/12.34.1", b"")
    assert queue.found() == []
    queue.later = 37 * HOURS
    assert (queue.only().path, queue.only().mend) == (b"pid/12.34.1", NOTE)


@pytest.mark.parametrize("kind", ["intd", "todo", "info", "local", "remote", "bounce"])
def test_file_without_message_is_moved_to_lost(queue: Queue, kind: str) -> None:
    queue.put(queue.path(kind, 12345), DATA[kind])
    assert queue.only().mend == LOSE
    assert "there is no mess/17/12345" in queue.only().what
    (line,) = queue.mend()
    name = str(queue.path(kind, 12345).relative_to(queue.base)).replace("/", "-")
    assert line.endswith(f" is lost/{name} now")
    assert (queue.base / "lost" / name).read_bytes() == DATA[kind]
    assert queue.files() == {f"lost/{name}"}
    assert queue.found() == []


def test_second_orphan_of_one_name_overwrites_nothing(queue: Queue) -> None:
    for data in (b"u1\0p1\0Fa\0", b"u2\0p2\0Fb\0"):
        queue.put(queue.path("todo", 12345), data)
        queue.mend()
    assert queue.files() == {"lost/todo-12345", "lost/todo-12345.2"}


def test_message_without_sender_is_kept_together_in_lost(queue: Queue) -> None:
    n = queue.message("local", "bounce")
    assert {finding.mend for finding in queue.found()} == {LOSE}
    assert len(queue.mend()) == 3
    part = n % layout.SPLIT
    assert queue.files() == {
        *(f"lost/mess-{part}-{n}", f"lost/local-{part}-{n}", f"lost/bounce-{n}")
    }


def wrong_number(queue: Queue) -> None:
    n = queue.message("info", "local", "bounce")
    for kind in ("mess", "info", "local", "bounce"):
        queue.path(kind, n).rename(queue.path(kind, n + 1_000_000))


def wrong_split(queue: Queue) -> None:
    n = queue.message("info", "local")
    for kind in ("mess", "info", "local"):
        other = queue.base / kind / str(n % 401 + 23)
        other.mkdir()
        queue.path(kind, n).rename(other / str(n))


def split_todo(queue: Queue) -> None:
    """As with the patch for a big todo: todo and intd are split too."""
    n = queue.message("intd", "todo", "info", "local")
    for kind in ("intd", "todo"):
        other = queue.base / kind / str(n % 23)
        other.mkdir()
        queue.path(kind, n).rename(other / str(n))


def one_file_elsewhere(queue: Queue) -> None:
    n = queue.message("info", "local")
    queue.path("local", n).rename(queue.path("local", n + 1).with_name(str(n)))


@pytest.mark.parametrize(
    "spoil", [wrong_number, wrong_split, split_todo, one_file_elsewhere]
)
def test_copied_or_resplit_queue_gets_its_numbers_and_places(
    queue: Queue, spoil: Callable[[Queue], None]
) -> None:
    spoil(queue)
    assert {finding.mend for finding in queue.found()} - {PRUNE} == {MOVE}
    first, *others = queue.mend()
    assert first.startswith("message ")
    assert all(
        line.endswith(" has lost its directories of another split") for line in others
    )
    assert queue.found() == []
    (n,) = states.survey(queue.fs)
    assert queue.path("info", n).read_bytes() == DATA["info"]
    assert queue.path("local", n).read_bytes() == DATA["local"]
    assert not (queue.base / "renumber").exists()


def test_times_of_a_renumbered_message_stay(queue: Queue) -> None:
    n = queue.message("info", "remote")
    for kind, when in (("info", 1_000_000), ("remote", 1_900_000_000)):
        os.utime(queue.path(kind, n), (when, when))
    for kind in ("mess", "info", "remote"):
        queue.path(kind, n).rename(queue.path(kind, n + 1))
    queue.mend()
    assert queue.path("info", n).stat().st_mtime == 1_000_000
    assert queue.path("remote", n).stat().st_mtime == 1_900_000_000


def test_one_inode_with_two_numbers_is_left(queue: Queue) -> None:
    n = queue.message("info")
    os.link(queue.path("mess", n), queue.path("mess", n + 1))
    queue.put(queue.path("info", n + 1), DATA["info"])
    before = queue.files()
    assert queue.mend() == []
    assert queue.files() == before
    assert [finding.mend for finding in queue.found()] == [MOVE]


def test_modes_are_found_and_set(queue: Queue) -> None:
    n = queue.message("intd", "todo", "info", "local")
    queue.path("mess", n).chmod(0o600)
    queue.path("local", n).chmod(0o644)
    queue.path("todo", n).chmod(0o666)
    assert {finding.mend for finding in queue.found()} == {OWN}
    (of_mess,) = (f for f in queue.found() if f.path == layout.mess(n))
    assert of_mess.what == "has mode 0600, should be 0644"
    queue.mend()
    assert queue.found() == []


def test_wrong_owner_is_found(queue: Queue) -> None:
    n = queue.message("info")
    wrong = {kind: os.getuid() + (kind == b"info") for kind in states.FILES}
    (finding,) = inspect(queue.fs, wrong, queue.now())
    assert finding.path == layout.info(n)
    assert finding.what.startswith(f"belongs to uid {os.getuid()}, should be ")


@pytest.mark.parametrize(
    "name", ["todo/x1", "info/3/007", "mess/5/12.tmp", "bounce/-1"]
)
def test_name_that_is_no_number_is_moved_to_lost(queue: Queue, name: str) -> None:
    queue.put(queue.base / name, b"x")
    assert queue.only().mend == LOSE
    queue.mend()
    assert queue.files() == {"lost/" + name.replace("/", "-")}


def test_link_is_not_followed_and_directory_stays(queue: Queue, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    secret.chmod(0o640)
    n = queue.message("info")
    queue.path("info", n).unlink()
    queue.path("info", n).symlink_to(secret)
    (queue.base / "mess/5/x").mkdir()
    lines = queue.mend()
    assert lines == ["mess/5/x stays: it cannot be moved"]
    assert (secret.stat().st_mode & 0o777, secret.read_bytes()) == (0o640, b"secret")
    assert queue.path("info", n).is_symlink()


def a_link(path: Path) -> None:
    kept = path.parents[3] / "kept"
    path.rename(kept)
    path.symlink_to(kept)


def a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


PREPROCESSED = ("info", "local", "bounce")
QUEUED = ("intd", "todo", "info", "local")


@pytest.mark.parametrize("make", [a_link, a_fifo, a_directory])
@pytest.mark.parametrize(
    ("kinds", "kind"),
    [
        *((PREPROCESSED, kind) for kind in ("mess", *PREPROCESSED)),
        *((QUEUED, kind) for kind in ("mess", *QUEUED)),
    ],
)
def test_message_with_a_part_that_is_no_file_is_left_whole(
    queue: Queue, kinds: tuple[str, ...], kind: str, make: Callable[[Path], None]
) -> None:
    """Without that part it could be one that has been delivered."""
    n = queue.message(*kinds)
    make(queue.path(kind, n))
    before = queue.files(), queue.path(kind, n).is_dir()
    assert {finding.mend for finding in queue.found()} == {LEFT}
    assert f"is no file, but stands where message {n} has one" in {
        finding.what for finding in queue.found()
    }
    assert queue.mend() == []
    assert (queue.files(), queue.path(kind, n).is_dir()) == before


def test_foreign_name_of_a_file_keeps_its_owner(queue: Queue, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(DATA["info"])
    other.chmod(0o640)
    n = queue.message("info")
    queue.path("info", n).unlink()
    os.link(other, queue.path("info", n))
    assert {finding.mend for finding in queue.found()} == {OWN, LEFT}
    assert "has 2 names, here only 1" in {finding.what for finding in queue.found()}
    (line,) = queue.mend()
    assert " stays: it has another name" in line
    assert other.stat().st_mode & 0o777 == 0o640


def test_directory_that_is_a_link_is_not_entered(queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/12").write_bytes(b"x")
    (queue.base / "todo").rmdir()
    (queue.base / "todo").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotADirectoryError):
        queue.fs.listdir(b"todo")
    queue.mend()
    assert (tmp_path / "elsewhere/12").exists()


def test_directory_of_another_split_with_something_in_it_stays(queue: Queue) -> None:
    queue.message("info")
    (queue.base / "mess/57/sub").mkdir(parents=True)
    lines = queue.mend()
    assert "mess/57 stays: it is not empty" in lines
    assert {finding.mend for finding in queue.found()} == {PRUNE, LOSE}


def test_writers_second_name_in_pid_is_no_finding(queue: Queue) -> None:
    n = queue.message("intd", "todo")
    os.link(queue.path("mess", n), queue.base / "pid/1.2.3")
    assert queue.found() == []


def test_what_is_no_part_of_a_queue_is_named(queue: Queue) -> None:
    (queue.base / "backup").mkdir()
    assert (queue.only().path, queue.only().mend) == (b"backup", LEFT)


def test_empty_message_that_is_queued_is_named(queue: Queue) -> None:
    n = queue.message("info")
    queue.path("mess", n).write_bytes(b"")
    assert (queue.only().what, queue.only().mend) == ("is empty, but queued", LEFT)


GOOD = [
    *((kind, DATA[kind]) for kind in ("todo", "info", "local", "remote")),
    ("todo", b"u0\0p1\0F\0"),
    ("info", b"F\0"),
    ("local", b"Dr\0"),
    ("local", b"T" + b"v-" * 600 + b"@example.org\0"),
]
BAD = [
    ("todo", b"", "it has no u record"),
    ("todo", b"u0\0p1\0", "it has no F record"),
    ("todo", b"u0\0p1\0Fs\0Tr", "it breaks off within a record"),
    ("todo", b"u0\0px\0Fs\0", "the record at byte 3 is no number"),
    ("todo", b"u0\0p1\0Fs\0Dr\0", "byte 9 begins a record that does not belong there"),
    ("info", b"", "it has no F record"),
    ("info", b"Fs", "it breaks off within a record"),
    ("info", b"Fs\0Ft\0", "byte 3 begins a record that does not belong there"),
    ("info", b"\0", "byte 0 begins a record that does not belong there"),
    ("local", b"Tr\0Xs\0", "byte 3 begins a record that does not belong there"),
    ("remote", b"Tr\0D", "it breaks off within a record"),
    ("local", b"", contents.NO_RECIPIENT),
    ("remote", b"", contents.NO_RECIPIENT),
]


@pytest.mark.parametrize(("kind", "data"), GOOD)
def test_contents_that_are_right(kind: str, data: bytes) -> None:
    for size in (1, 3, len(data) or 1):
        chunks = [data[at : at + size] for at in range(0, len(data), size)]
        assert contents.complaint(kind.encode(), chunks) is None


@pytest.mark.parametrize(("kind", "data", "what"), BAD)
def test_contents_that_are_wrong(kind: str, data: bytes, what: str) -> None:
    assert contents.complaint(kind.encode(), [data]) == what


def test_wrong_contents_are_found_and_left(queue: Queue) -> None:
    n = queue.message("info", "local")
    queue.put(queue.path("local", n), b"Xr\0")
    assert (queue.only().path, queue.only().mend) == (layout.local(n), LEFT)
    assert queue.mend() == []
    assert queue.path("local", n).read_bytes() == b"Xr\0"


@pytest.mark.parametrize("kind", ["local", "remote"])
def test_message_that_would_be_removed_as_done_is_named_and_left(
    queue: Queue, kind: str
) -> None:
    """As after a power cut, or on a disk that was full: an empty file of recipients."""
    n = queue.message("info", kind)
    queue.path(kind, n).write_bytes(b"")
    assert queue.only().key() == (getattr(layout, kind)(n), contents.NO_RECIPIENT)
    assert queue.only().mend == LEFT
    # Nor is it brought where it would be seen.
    for moved in ("mess", "info", kind):
        queue.path(moved, n).rename(queue.path(moved, n + 1))
    before = queue.files()
    assert queue.mend() == []
    assert queue.files() == before


def test_message_whose_new_number_is_not_free_stays_where_it_is(queue: Queue) -> None:
    """It would have to wait unseen in renumber/."""
    n, free = queue.message("info", "local"), queue.message("info", "local")
    for kind in ("mess", "info", "local"):
        queue.path(kind, n).rename(queue.path(kind, n + 1_000_000))
    other = queue.put(queue.path("mess", n), DATA["mess"])
    queue.put(queue.path("info", n), DATA["info"])
    queue.path("local", n).symlink_to("/nowhere")
    for kind in ("mess", "info", "local"):
        queue.path(kind, free).rename(queue.path(kind, other.stat().st_ino))
    before = queue.files()
    (line,) = queue.mend()
    assert line.endswith(f"is message {free} now, the inode of its file")
    assert queue.path("info", n + 1_000_000).exists()
    assert not (queue.base / "renumber").exists()
    assert len(queue.files()) == len(before)


def test_contents_that_will_be_written_anew_do_not_matter(queue: Queue) -> None:
    n = queue.message("intd", "todo", "info", "local")
    queue.put(queue.path("local", n), b"Tr")
    queue.put(queue.path("info", n), b"")
    assert queue.found() == []


@pytest.mark.parametrize("trick", ["another file", "unknown owner", "two names"])
def test_owner_is_set_only_of_the_file_that_was_looked_at(
    queue: Queue, trick: str
) -> None:
    n = queue.message("intd", "todo", "info")
    me, path, names = os.getuid(), layout.info(n), 1
    seen, known, uid = queue.fs.stat(path), {me}, me
    if trick == "another file":
        queue.path("info", n).rename(queue.base / "pid/old")
        queue.put(queue.path("info", n), b"root's")
    elif trick == "unknown owner":
        known = {me + 1}
    else:
        path, names, uid = layout.todo(n), 2, me + 1
        seen = queue.fs.stat(path)
    before = queue.fs.stat(path)
    with pytest.raises(OSError, match=r"^.Errno 22. it "):
        queue.fs.own(path, (uid, 0o604), seen, names, known)
    after = queue.fs.stat(path)
    assert (after.st_mode, after.st_uid) == (before.st_mode, before.st_uid)


@pytest.mark.parametrize("kind", ["bounce", "mess"])
def test_beside_a_directory_that_is_a_link_no_message_is_moved(
    queue: Queue, kind: str
) -> None:
    n = queue.message("info")
    # One that is empty.
    name = kind if kind == "bounce" else f"mess/{(n + 1) % layout.SPLIT}"
    queue.path("info", n).chmod(0o644)
    queue.put(queue.path("todo", 12345), DATA["todo"])
    (queue.base / name).rmdir()
    (queue.base / name).symlink_to("/nowhere")
    lines = list(repair(queue.fs, UIDS, queue.now()))
    assert lines == [
        ("left", f"{name} is no directory: no message is moved"),
        ("mended", f"{layout.info(n).decode()} has its owner and mode"),
    ]
    assert queue.path("todo", 12345).exists()


def test_names_are_read_without_proc(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where /proc is not mounted, a damaged queue is not taken for an empty one."""
    (queue.base / os.fsdecode(b"todo/\xff\xc3\xa9")).touch()
    read = posix.listdir

    def without_proc(where: int | bytes) -> list[str] | list[bytes]:
        if not isinstance(where, int):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), where)
        return read(where)

    monkeypatch.setattr(posix, "listdir", without_proc)
    assert queue.fs.listdir(b"todo") == [b"\xff\xc3\xa9"]
    assert [finding.path for finding in inspect(queue.fs, {}, 0.0)] == [
        b"todo/\xff\xc3\xa9"
    ]
