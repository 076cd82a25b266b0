"""Descriptors: whole writes, lines, and the numbers of a contract."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from pytools.base import fds
from pytools.process import child


def test_large_write_into_a_slow_pipe_is_whole() -> None:
    data = bytes(range(256)) * 2000
    assert child.in_child(lambda: data) == data


def test_write_all_of_nothing_writes_nothing(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    for nothing in (b"", bytearray(), memoryview(b"")):
        fds.write_all(fd, nothing)
    assert os.fstat(fd).st_size == 0
    os.close(fd)


def test_pipe_is_close_on_exec_both_ends() -> None:
    for fd in fds.pipe():
        assert fcntl.fcntl(fd, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
        os.close(fd)


def test_copy_to_itself_only_clears_close_on_exec() -> None:
    read_end, write_end = fds.pipe()
    fds.copy(read_end, read_end)
    assert os.get_inheritable(read_end)
    fds.move(read_end, read_end)
    os.fstat(read_end)
    os.close(read_end)
    os.close(write_end)


def test_read_file_of_a_fifo_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert fds.read_file(bytes(tmp_path / "fifo")) == b""


def test_read_file_of_a_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        fds.read_file(bytes(tmp_path))


def test_nonblock_is_set_and_cleared() -> None:
    read_end, write_end = fds.pipe()
    fds.set_nonblock(read_end)
    with pytest.raises(BlockingIOError):
        os.read(read_end, 1)
    fds.set_nonblock(read_end, on=False)
    assert os.get_blocking(read_end)
    os.close(read_end)
    os.close(write_end)


def test_line_reader_gives_a_last_line_without_its_end() -> None:
    read_end, write_end = fds.pipe()
    os.write(write_end, b"one\n\ntwo")
    os.close(write_end)
    reader = fds.LineReader(read_end)
    lines = [reader.readline() for _ in range(5)]
    assert lines == [b"one\n", b"\n", b"two", b"", b""]
    os.close(read_end)


def test_line_reader_gives_a_line_before_the_next_has_come() -> None:
    read_end, write_end = fds.pipe()
    reader = fds.LineReader(read_end)
    os.write(write_end, b"one\ntw")
    assert reader.readline() == b"one\n"
    os.write(write_end, b"o\n")
    assert reader.readline() == b"two\n"
    os.close(read_end)
    os.close(write_end)
