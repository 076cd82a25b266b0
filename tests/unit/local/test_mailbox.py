"""A Maildir read while others use it."""

from __future__ import annotations

import os
import posix
from pathlib import Path

import pytest

from qmail.local import mailbox

NOW = 2_000_000


@pytest.fixture
def maildir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(maildir: Path, name: str, when: float = 1000, text: bytes = b"x\n") -> Path:
    path = maildir / name
    path.write_bytes(text)
    os.utime(path, (when, when))
    return path


def paths() -> list[bytes]:
    return [message.path for message in mailbox.scan(NOW)]


def test_messages_come_by_age_and_then_by_name(maildir: Path) -> None:
    put(maildir, "cur/4:2,S", 2000.25, b"12345")
    put(maildir, "new/3", 1000)
    put(maildir, "cur/2:2,", 1000)
    put(maildir, "cur/1:2,", 1000.5)
    assert paths() == [b"cur/2:2,", b"new/3", b"cur/1:2,", b"cur/4:2,S"]
    last = mailbox.scan(NOW)[-1]
    assert (last.name, last.size, last.when) == (b"4", 5, 2000)


def test_message_of_any_time_that_a_file_system_knows(maildir: Path) -> None:
    path = put(maildir, "new/1")
    for second in (-(2**62), -(2**31), NOW - 1, 2**62):
        os.utime(path, ns=(0, second * 10**9))
        known = os.stat(path).st_mtime_ns // 10**9
        assert [m.when for m in mailbox.scan(2**62 + 1)] == [known]


def test_one_directory_alone(maildir: Path) -> None:
    put(maildir, "new/1")
    put(maildir, "cur/2:2,")
    assert [m.path for m in mailbox.scan(NOW, (b"new",))] == [b"new/1"]


def test_what_is_no_message_yet_is_not_listed(maildir: Path) -> None:
    put(maildir, "new/later", NOW)
    put(maildir, "new/.hidden")
    put(maildir, "dovecot-uidlist")
    (maildir / "cur/directory").mkdir()
    (maildir / "cur/dangling").symlink_to("nowhere")
    os.mkfifo(maildir / "new/fifo")
    os.utime(maildir / "new/fifo", (1, 1))
    assert paths() == []


def test_message_moved_during_the_scan_is_listed_once(maildir: Path) -> None:
    put(maildir, "new/1")
    put(maildir, "cur/1:2,S")
    assert paths() == [b"cur/1:2,S"]
    both = [message.path for message in mailbox.scan(NOW, doubles=True)]
    assert both == [b"cur/1:2,S", b"new/1"]


def test_message_with_new_flags_is_found_and_removed(maildir: Path) -> None:
    first, second = put(maildir, "new/1"), put(maildir, "cur/2:2,")
    one, two = mailbox.scan(NOW)
    first.rename(maildir / "cur/1:2,S")
    finder = mailbox.Finder()
    fd = finder.open(one)
    assert os.read(fd, 9) == b"x\n"
    os.close(fd)
    second.rename(maildir / "cur/2:2,FS")
    assert finder.remove([two, one])
    assert list((maildir / "cur").iterdir()) == []


def test_message_that_is_gone_cannot_be_opened_but_counts_as_removed(
    maildir: Path,
) -> None:
    path = put(maildir, "new/1")
    (one,) = mailbox.scan(NOW)
    path.unlink()
    finder = mailbox.Finder()
    with pytest.raises(FileNotFoundError):
        finder.open(one)
    assert finder.remove([one])
    finder.mark_old(one)


def test_directories_are_not_read_for_each_message_that_was_moved_or_removed(
    maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [put(maildir, f"new/{n:03}") for n in range(300)]
    messages = list(mailbox.scan(NOW))
    for number, file in enumerate(files):
        if number % 3 == 0:
            file.unlink()
        elif number % 3 == 1:
            file.rename(maildir / f"cur/{file.name}:2,S")
    listed = []

    def count(name: str) -> None:
        real = getattr(posix, name)

        def counted(path: bytes) -> object:
            listed.append(path)
            return real(path)

        monkeypatch.setattr(posix, name, counted)

    count("listdir")
    count("scandir")
    finder = mailbox.Finder()
    os.close(finder.open(messages[4]))
    assert finder.remove(messages)
    assert len(listed) <= 6
    assert [*(maildir / "new").iterdir(), *(maildir / "cur").iterdir()] == []


def test_name_that_begins_like_another_is_not_taken_for_it(maildir: Path) -> None:
    put(maildir, "new/1")
    put(maildir, "cur/1-1:2,")
    put(maildir, "cur/1.2:2,S")
    messages = mailbox.scan(NOW)
    assert [message.name for message in messages] == [b"1", b"1-1", b"1.2"]
    (maildir / "new/1").unlink()
    (maildir / "cur/1.2:2,S").rename(maildir / "cur/1.2:2,FS")
    assert mailbox.Finder().remove([messages[0], messages[2]])
    assert os.listdir("cur") == ["1-1:2,"]


def test_record_keeps_what_the_file_says(maildir: Path) -> None:
    put(maildir, "cur/1:2,:x", -5, b"x" * 300)
    put(maildir, "cur/:2,", 1)
    messages = mailbox.scan(NOW)
    assert [m.path for m in messages] == [b"cur/1:2,:x", b"cur/:2,"]
    assert [messages.size(n) for n in range(2)] == [300, 2]
    assert [messages.name(n) for n in range(2)] == [b"1", b""]


def test_message_that_stays_moves_to_cur(maildir: Path) -> None:
    put(maildir, "new/1")
    put(maildir, "cur/2:2,F")
    finder = mailbox.Finder()
    for message in mailbox.scan(NOW):
        finder.mark_old(message)
    assert sorted(os.listdir("cur")) == ["1:2,", "2:2,F"]


def test_what_nobody_looked_at_for_36_hours_goes_from_tmp(maildir: Path) -> None:
    put(maildir, "tmp/old", NOW - 129601)
    put(maildir, "tmp/young", NOW - 129600)
    put(maildir, "tmp/.old", 1)
    (maildir / "tmp/directory").mkdir()
    mailbox.clean_tmp(NOW)
    assert sorted(os.listdir("tmp")) == [".old", "directory", "young"]


def test_missing_directory_is_an_error_but_missing_tmp_is_none(maildir: Path) -> None:
    (maildir / "tmp").rmdir()
    mailbox.clean_tmp(NOW)
    (maildir / "cur").rmdir()
    with pytest.raises(FileNotFoundError):
        mailbox.scan(NOW)
