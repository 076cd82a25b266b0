"""Which interpreters an installation may rest on."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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


ONLY_ROOT = "#!/bin/sh\n[ `id -u` = 0 ] || { echo no libpython >&2; exit 127; }\n"
"""As one whose library is found below /root."""


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize(
    ("script", "said"),
    [
        (ONLY_ROOT, "no libpython"),
        ('#!/bin/sh\n[ -z "$HOME" ]\n', None),
        ("#!/bin/sh\nexec sleep 60\n", "nothing within 0 s"),
    ],
)
def test_root_sees_whether_others_can_start_it(
    python: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str | None
) -> None:
    python.write_text(script)
    if said and "within" in said:
        monkeypatch.setattr(interpreter, "START_SECONDS", 0.2)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(interpreter, "hidden_by", lambda path: None)
    expected = said and f"{python}: other users cannot start it: {said}"
    with open_to_all(python):
        assert interpreter.complaint() == expected
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(interpreter, "changeable_at", lambda path: None)
    assert interpreter.complaint() is None


@contextmanager
def open_to_all(path: Path) -> Iterator[None]:
    """pytest's own directories are closed to others."""
    changed = [one for one in path.parents if one.stat().st_mode & 0o005 != 0o005]
    modes = [one.stat().st_mode & 0o7777 for one in changed]
    try:
        for one in changed:
            one.chmod(0o755)
        yield
    finally:
        for one, mode in zip(changed, modes, strict=True):
            one.chmod(mode)


def test_nobody_has_a_number_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str) -> pwd.struct_passwd:
        raise KeyError(name)

    monkeypatch.setattr(pwd, "getpwnam", unknown)
    assert interpreter.nobody() == (65534, 65534)


def test_who_may_not_become_another_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(*args: object, **named: object) -> None:
        raise PermissionError(1, "Operation not permitted", "/")

    monkeypatch.setattr(subprocess, "run", refuses)
    assert interpreter.refusal("/usr/bin/python3", user=65534, group=65534) is None


def test_directory_that_others_cannot_enter_hides_it(python: Path) -> None:
    python.parent.chmod(0o700)
    # pytest's own directories may be hidden before it.
    assert interpreter.hidden_by(str(python)) is not None
