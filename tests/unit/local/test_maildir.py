"""Names in a Maildir, and delivery into a real one."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from qmail.local.maildir import deliver, unique_name


def test_unique_name_is_time_unique_host() -> None:
    name = unique_name(1795356653_000123_999, 77, 2, b"mx.example.org")
    assert name == b"1795356653.M123P77Q2.mx.example.org"


def test_unique_name_differs_within_a_process_and_a_second() -> None:
    names = {
        unique_name(1_000_000_000 + us * 1000, pid, count, b"h")
        for us, pid, count in itertools.product(range(3), range(3), range(3))
    }
    assert len(names) == 27


def test_unique_name_keeps_separators_out_of_the_host() -> None:
    assert unique_name(0, 1, 1, b"a/b:c") == b"0.M0P1Q1.a\\057b\\072c"
    assert unique_name(0, 1, 1, b"x" * 70).endswith(b"." + b"x" * 64)


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("tmp", "new", "cur"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_deliver_leaves_one_file_in_new(inside: Path) -> None:
    deliver(b"H: x\n", [b"a", b"b\n", b"c"], lambda: b"1.2.h")
    assert (inside / "new/1.2.h").read_bytes() == b"H: x\nab\nc"
    assert list((inside / "tmp").iterdir()) == []
    assert list((inside / "cur").iterdir()) == []


def test_deliver_of_an_empty_message_keeps_the_head(inside: Path) -> None:
    deliver(b"H: x\n", [], lambda: b"1")
    assert (inside / "new/1").read_bytes() == b"H: x\n"


def test_deliver_takes_another_name_when_one_is_in_use(inside: Path) -> None:
    (inside / "tmp/1").write_bytes(b"of another")
    names = iter([b"1", b"2"])
    deliver(b"", [b"m"], lambda: next(names))
    assert (inside / "new/2").read_bytes() == b"m"
    assert (inside / "tmp/1").read_bytes() == b"of another"


def test_deliver_gives_up_after_three_names_in_use(inside: Path) -> None:
    (inside / "tmp/1").write_bytes(b"of another")
    with pytest.raises(FileExistsError):
        deliver(b"", [b"m"], lambda: b"1")
    assert (inside / "tmp/1").read_bytes() == b"of another"


def test_deliver_never_replaces_a_message(inside: Path) -> None:
    (inside / "new/1").write_bytes(b"here already")
    with pytest.raises(FileExistsError):
        deliver(b"", [b"m"], lambda: b"1")
    assert (inside / "new/1").read_bytes() == b"here already"
    assert list((inside / "tmp").iterdir()) == []


def test_deliver_of_an_unreadable_message_leaves_nothing(inside: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise KeyError("read error")

    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(KeyError):
        deliver(b"", broken(), lambda: b"1")
    assert list((inside / "tmp").iterdir()) == []
    assert list((inside / "new").iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == descriptors


@pytest.mark.parametrize("number", [errno.EACCES, errno.EINVAL, errno.ENOTSUP])
def test_deliver_where_new_cannot_be_fsynced_syncs_all(
    inside: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(path: bytes, fs: object = None) -> None:
        raise OSError(number, "no")

    synced: list[bool] = []
    monkeypatch.setattr("qmail.local.entries.sync_dir", refuse)
    monkeypatch.setattr("posix.sync", lambda: synced.append(True))
    deliver(b"", [b"m"], lambda: b"1")
    assert (inside / "new/1").read_bytes() == b"m"
    assert synced == [True]


def test_deliver_whose_entry_is_not_safe_fails(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: bytes, fs: object = None) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr("qmail.local.entries.sync_dir", fail)
    with pytest.raises(OSError, match="no"):
        deliver(b"", [b"m"], lambda: b"1")
