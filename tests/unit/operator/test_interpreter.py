"""Which interpreters an installation may rest on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qmail.operator import interpreter
from tests.conftest import cannot_run


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An interpreter in a directory of its own, which all can use."""
    place = tmp_path / "bin"
    place.mkdir(mode=0o755)
    python = place / "python3"
    python.touch(mode=0o755)
    return python


def test_interpreter_of_ours_alone_cannot_be_changed(python: Path) -> None:
    assert interpreter.changeable_at(str(python)) is None


@pytest.mark.parametrize("name", ["bin", "bin/python3"])
def test_interpreter_that_all_can_write_to_is_found(python: Path, name: str) -> None:
    shared = python.parent.parent / name
    shared.chmod(0o777)
    assert interpreter.changeable_at(str(python)) == str(shared)


def test_interpreter_behind_a_link_into_a_shared_place_is_found(python: Path) -> None:
    link = python.parent.parent / "python"
    link.symlink_to(python)
    python.parent.chmod(0o777)
    assert interpreter.changeable_at(str(link)) == str(python.parent)


@pytest.mark.parametrize("name", ["bin", "bin/python3"])
def test_interpreter_of_another_user_is_found(python: Path, name: str) -> None:
    if os.geteuid() != 0:
        cannot_run("needs root to give files away")
    theirs = python.parent.parent / name
    os.chown(theirs, 65534, 65534)
    assert interpreter.changeable_at(str(python)) == str(theirs)


def test_directory_that_others_cannot_enter_hides_it(python: Path) -> None:
    python.parent.chmod(0o700)
    # pytest's own directories may be hidden before it.
    assert interpreter.hidden_by(str(python)) is not None
