"""make setup as root among directories of other users: nothing planted is followed."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from qmail.operator import hier, ownership
from qmail.operator.instcheck import of_entry
from qmail.operator.places import Owners, SetupError
from qmail.operator.setup import hindrance, make_log_directory
from qmail.operator.writing import write_by_rename

OWNERS = Owners(trial=True, numbers=(os.getuid(), os.getgid()))
LOCK = hier.Entry("lock", hier.FILE, "qmails", "qmail", 0o666, 4)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that whoever owns the directory beside it wants to have opened up."""
    path = tmp_path / "secret"
    path.write_bytes(b"secret")
    path.chmod(0o600)
    return path


def check_untouched(secret: Path) -> None:
    now = secret.stat()
    assert stat.S_IMODE(now.st_mode) == 0o600
    assert secret.read_bytes() == b"secret"


def test_own_of_a_planted_symbolic_link_changes_nothing(secret: Path) -> None:
    planted = secret.parent / "lock"
    planted.symlink_to(secret)
    with pytest.raises(SetupError):
        ownership.make(str(secret.parent), LOCK, OWNERS)
    check_untouched(secret)


def test_own_of_a_planted_hard_link_changes_nothing(secret: Path) -> None:
    planted = secret.parent / "lock"
    os.link(secret, planted)
    with pytest.raises(SetupError, match="second name"):
        ownership.make(str(secret.parent), LOCK, OWNERS)
    check_untouched(secret)


def test_queue_may_lie_behind_a_link_of_the_operators(tmp_path: Path) -> None:
    elsewhere = tmp_path / "disk"
    elsewhere.mkdir()
    (tmp_path / "queue").symlink_to(elsewhere)
    entry = hier.Entry("queue", hier.DIRECTORY, "qmailq", "qmail", 0o750)
    ownership.make(str(tmp_path), entry, OWNERS)
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o750
    assert list(of_entry(str(tmp_path), entry, OWNERS)) == []


def test_link_planted_in_the_queue_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "disk"
    elsewhere.mkdir(mode=0o700)
    (tmp_path / "queue").mkdir()
    (tmp_path / "queue/mess").symlink_to(elsewhere)
    entry = hier.Entry("queue/mess", hier.DIRECTORY, "qmailq", "qmail", 0o750)
    with pytest.raises(SetupError):
        ownership.make(str(tmp_path), entry, OWNERS)
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o700
    assert f"{tmp_path}/queue/mess has wrong type" in of_entry(
        str(tmp_path), entry, OWNERS
    )


def test_directory_swapped_for_a_link_while_setup_runs_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "apt.conf.d"
    elsewhere.mkdir()
    home = tmp_path / "home"
    (home / "queue/lock").mkdir(parents=True)
    for depth in ("lock/tcpto", "lock/trigger"):
        kind = hier.FIFO if depth.endswith("trigger") else hier.FILE
        entry = hier.Entry(f"queue/{depth}", kind, "qmailr", "qmail", 0o644)
        ownership.make(str(home), entry, OWNERS)
        assert (home / "queue" / depth).exists()
    # What the owner of queue/ can do between two steps of root.
    (home / "queue/lock").rename(home / "queue/away")
    (home / "queue/lock").symlink_to(elsewhere)
    for kind in (hier.FILE, hier.FIFO, hier.DIRECTORY):
        entry = hier.Entry("queue/lock/planted", kind, "qmailr", "qmail", 0o644)
        with pytest.raises(SetupError, match="unable to go to"):
            ownership.make(str(home), entry, OWNERS)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("failing", ["fsync", "rename"])
def test_write_that_fails_leaves_the_old_file_and_no_other(
    secret: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space"):
        write_by_rename(str(secret), b"new", 0o600, os.getuid(), os.getgid())
    assert os.listdir(secret.parent) == ["secret"]
    check_untouched(secret)


def test_queue_file_that_cannot_be_filled_is_not_left_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(OSError, match="No space"):
        ownership.make(str(tmp_path), LOCK, OWNERS)
    assert os.listdir(tmp_path) == []


def test_own_of_another_kind_of_file_is_refused(secret: Path) -> None:
    entry = hier.Entry("secret", hier.FIFO, "qmails", "qmail", 0o622)
    with pytest.raises(SetupError, match="no FIFO"):
        ownership.make(str(secret.parent), entry, OWNERS)
    check_untouched(secret)


@pytest.mark.parametrize(
    ("path", "plant", "said"),
    [
        ("boot", "file", "{} exists and is no directory"),
        ("man/man8", "link", "unable to open {}: a link, and no directory itself"),
        ("queue/mess", "link", "unable to open {}: a link, and no directory itself"),
        ("queue/mess", "file", "{} exists and is no directory"),
    ],
)
def test_what_is_in_the_way_is_named_and_moved_only_where_that_is_sure(
    tmp_path: Path, path: str, plant: str, said: str
) -> None:
    home = tmp_path / "a home"
    planted = home / path
    planted.parent.mkdir(parents=True)
    planted.touch() if plant == "file" else planted.symlink_to(tmp_path)
    # A thing that was moved away before stays, too.
    Path(f"{planted}.wrong").touch()
    entry = hier.Entry(path, hier.DIRECTORY, "root", "qmail", 0o755)
    with pytest.raises(SetupError) as caught:
        ownership.make(str(home), entry, OWNERS)
    what, _, remedy = str(caught.value).partition("\n...try: ")
    assert what == said.format(planted)
    if path.startswith("queue/"):
        assert not remedy
        return
    subprocess.run(remedy, shell=True, check=True)
    ownership.make(str(home), entry, OWNERS)
    assert planted.is_dir()
    assert not planted.is_symlink()
    assert os.path.lexists(f"{planted}.wrong.wrong")


def test_directory_in_the_place_of_a_program_is_named(tmp_path: Path) -> None:
    for name in ("svc", "svok.new"):
        (tmp_path / name / "mine").mkdir(parents=True)
        program = str(tmp_path / name.removesuffix(".new"))
        with pytest.raises(IsADirectoryError) as caught:
            write_by_rename(program, b"new", 0o755, os.getuid(), os.getgid())
        what, _, remedy = hindrance(caught.value).partition("\n...try: ")
        assert what == f"{tmp_path}/{name} exists and is a directory"
        subprocess.run(remedy, shell=True, check=True)
        write_by_rename(program, b"new", 0o755, os.getuid(), os.getgid())
        assert (tmp_path / f"{name}.wrong/mine").is_dir()
    (tmp_path / "command").touch()
    with pytest.raises(FileExistsError) as exists:
        os.makedirs(tmp_path / "command", exist_ok=True)
    place = f"{tmp_path}/command"
    said = f"{place} exists and is no directory\n...try: mv -T {place} {place}.wrong"
    assert hindrance(exists.value) == said


def test_other_trouble_moves_nothing(tmp_path: Path) -> None:
    assert hindrance(OSError("odd")) == "unable to install: odd"
    # What a dangling link leads to may come back.
    (tmp_path / "command").symlink_to("nosuch")
    with pytest.raises(FileExistsError) as caught:
        os.makedirs(tmp_path / "command", exist_ok=True)
    said = f"unable to install {tmp_path}/command: File exists"
    assert hindrance(caught.value) == said


def test_program_is_replaced_whole_and_not_through_a_link(secret: Path) -> None:
    program = secret.parent / "program"
    program.symlink_to(secret)
    (secret.parent / "program.new").symlink_to(secret)
    write_by_rename(str(program), b"new", 0o755, os.getuid(), os.getgid())
    assert not program.is_symlink()
    assert program.read_bytes() == b"new"
    assert stat.S_IMODE(program.stat().st_mode) == 0o755
    check_untouched(secret)


class LogOwners(Owners):
    """Whoever runs the test is root, and qmaill has the uid 7791."""

    def uid(self, name: str) -> int:
        return 7791 if name == "qmaill" else os.getuid()


LOG_OWNERS = LogOwners(trial=True, numbers=(os.getuid(), os.getgid()))


def test_log_directory_is_made_for_qmaill(tmp_path: Path, as_root: None) -> None:
    log = tmp_path / "qmail/smtpd"
    make_log_directory(str(log), LOG_OWNERS)
    assert log.stat().st_uid == 7791


def test_log_directory_of_an_interrupted_run_gets_its_owner(
    tmp_path: Path, as_root: None
) -> None:
    log = tmp_path / "qmail"
    log.mkdir()
    make_log_directory(str(log), LOG_OWNERS)
    assert log.stat().st_uid == 7791


def test_log_directory_of_somebody_else_stays_his(
    tmp_path: Path, as_root: None
) -> None:
    log = tmp_path / "qmail"
    log.mkdir()
    os.chown(log, 1, 1)
    make_log_directory(str(log), LOG_OWNERS)
    assert log.stat().st_uid == 1


def test_log_directory_that_is_a_planted_link_changes_nothing(
    tmp_path: Path, as_root: None
) -> None:
    target = tmp_path / "etc"
    target.mkdir()
    (tmp_path / "smtpd").symlink_to(target)
    make_log_directory(str(tmp_path / "smtpd"), LOG_OWNERS)
    assert target.stat().st_uid == os.getuid()
    assert (tmp_path / "smtpd").lstat().st_uid == os.getuid()
