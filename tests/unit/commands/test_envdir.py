"""What envdir reads in its directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytools.base.exits import Exit
from pytools.commands.envdir import read_directory, value_of


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"x", b"x"),
        (b"x\ny\n", b"x"),
        (b"x \t \n", b"x"),
        (b" x\n", b" x"),
        (b"a\0b", b"a\nb"),
        (b"\n", b""),
        (b"\r\n", b"\r"),
    ],
)
def test_value_is_the_first_line_without_trailing_blanks(
    content: bytes, value: bytes
) -> None:
    assert value_of(content) == value


def test_files_become_changes(tmp_path: Path) -> None:
    for name, content in [
        ("A", "1\n"),
        ("B", ""),
        (".C", "3"),
        ("D=E", "5"),
        ("F", "\n"),
        ("=G", "7"),
        ("=H", ""),
        ("=", "8"),
    ]:
        (tmp_path / name).write_text(content)
    (tmp_path / "L").symlink_to("nowhere")
    here = os.getcwd()
    changes = read_directory(os.fsencode(tmp_path))
    assert changes == {
        b"A": b"1",
        b"B": None,
        b"D": b"E=5",
        b"F": b"",
        b"L": None,
        b"=G": b"7",
        b"=H": None,
        b"=": b"8",
    }
    assert os.getcwd() == here


def test_directory_inside_is_fatal(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    here = os.getcwd()
    with pytest.raises(Exit) as end:
        read_directory(os.fsencode(tmp_path))
    os.chdir(here)
    assert end.value.code == 111
    assert end.value.text.endswith(b"/sub: is a directory")
