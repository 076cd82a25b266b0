"""Replacing a file: the order of the calls, and what a failure leaves behind."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytools.base import durable
from tests.support.crashfs import CrashFs


def files(content: bytes | None) -> CrashFs:
    fs = CrashFs([b"dir"])
    if content is not None:
        fd = fs.open(b"dir/file", 0o101)
        fs.write(fd, content)
        fs.close(fd)
        fs.make_safe()
    fs.calls.clear()
    return fs


def test_replace_syncs_the_data_before_the_name_and_the_name_at_last() -> None:
    fs = files(b"old")
    durable.replace(b"dir/file", b"new", tmp=b"dir/tmp", fs=fs)
    assert fs.calls == ["create dir/tmp", "write", "fsync", "rename dir/file", "fsync"]
    for disk in fs.reboots():
        assert disk.content(b"dir/file") == b"new"


@pytest.mark.parametrize("content", [b"old", None])
@pytest.mark.parametrize("step", range(1, 6))
def test_replace_that_fails_leaves_the_old_or_the_new(
    content: bytes | None, step: int
) -> None:
    fs = files(content)
    fs.fail_at = (step, errno.ENOSPC)
    with pytest.raises(OSError, match="No space"):
        durable.replace(b"dir/file", b"new", tmp=b"dir/tmp", fs=fs)
    for disk in fs.reboots():
        assert disk.content(b"dir/file") in (content, b"new")
    assert not fs.opened


def test_replace_is_not_undone_by_a_close_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fs = files(b"old")
    really = fs.close

    def close(fd: int) -> None:
        really(fd)
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(fs, "close", close)
    durable.replace(b"dir/file", b"new", tmp=b"dir/tmp", fs=fs)
    for disk in fs.reboots():
        assert disk.content(b"dir/file") == b"new"
    assert not fs.opened


def test_replace_takes_over_what_a_crash_left_in_tmp() -> None:
    fs = files(b"old")
    fd = fs.open(b"dir/tmp", 0o101)
    fs.write(fd, b"a longer leftover")
    fs.close(fd)
    durable.replace(b"dir/file", b"new", tmp=b"dir/tmp", fs=fs)
    assert fs.content(b"dir/file") == b"new"


@pytest.mark.parametrize("make", [os.symlink, os.link])
def test_replace_writes_through_no_link(
    make: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    make(tmp_path / "precious", tmp_path / "tmp")
    path, tmp = os.fsencode(tmp_path / "file"), os.fsencode(tmp_path / "tmp")
    durable.replace(path, b"new", tmp=tmp)
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (tmp_path / "file").read_bytes() == b"new"
    assert not (tmp_path / "file").is_symlink()


def test_replace_leaves_special_files_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tmp")
    path, tmp = os.fsencode(tmp_path / "file"), os.fsencode(tmp_path / "tmp")
    with pytest.raises(FileExistsError):
        durable.replace(path, b"new", tmp=tmp)
    assert (tmp_path / "tmp").is_fifo()
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize(
    ("path", "directory"),
    [(b"a/b", b"a"), (b"/a/b", b"/a"), (b"/a", b"/"), (b"a", b".")],
)
def test_parent_is_the_directory_of_a_path(path: bytes, directory: bytes) -> None:
    assert durable.parent(path) == directory
