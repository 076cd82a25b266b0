"""Which file argv0 finds on $PATH, and what it says when there is none."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pytools.base.environment import environ
from pytools.commands.argv0 import find, next_program


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """$PATH is a:b, and b/run a program."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "b/run").write_text("#!/bin/sh\n")
    (tmp_path / "b/run").chmod(0o755)
    words = f"{tmp_path}/a:{tmp_path}/b".encode()
    monkeypatch.setitem(environ, b"PATH", words)
    return tmp_path


def test_first_program_of_that_name_is_found(path: Path) -> None:
    assert find(b"run") == os.fsencode(path / "b/run")


@pytest.mark.parametrize("kind", ["plain", "directory"])
def test_what_is_no_program_is_passed_over(path: Path, kind: str) -> None:
    if kind == "plain":
        (path / "a/run").touch()
    else:
        (path / "a/run").mkdir()
    assert find(b"run") == os.fsencode(path / "b/run")


def test_missing_program_does_not_exist(path: Path) -> None:
    with pytest.raises(OSError) as caught:
        find(b"other")
    assert caught.value.errno == errno.ENOENT


def test_file_that_is_no_program_is_refused(path: Path) -> None:
    (path / "a/other").touch()
    with pytest.raises(OSError) as caught:
        find(b"other")
    assert caught.value.errno == errno.EACCES


def test_file_in_the_path_ends_the_search(path: Path) -> None:
    (path / "a").rmdir()
    (path / "a").touch()
    with pytest.raises(NotADirectoryError):
        find(b"run")


def test_chain_goes_on_with_the_real_name() -> None:
    assert next_program([b"argv0", b"real", b"name", b"x"]) == [b"real", b"x"]
    assert next_program([b"argv0", b"real"]) is None
