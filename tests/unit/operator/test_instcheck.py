"""instcheck sees what would not run, and what is not ours."""

from __future__ import annotations

import os
from pathlib import Path

from pytools.process import launcher
from qmail.operator import instcheck
from qmail.operator.places import Owners

OWNERS = Owners(trial=True, numbers=(os.getuid(), os.getgid()))


def program(directory: Path, name: str, home: bytes = b"/var/qmail") -> str:
    path = directory / name
    path.write_bytes(launcher.render(name.encode(), home))
    path.chmod(0o755)
    return str(path)


def test_launchers_as_installed_are_no_finding(tmp_path: Path) -> None:
    programs = [program(tmp_path, name) for name in ("svc", "svok", "svstat")]
    assert list(instcheck.of_launchers(programs)) == []
    assert list(instcheck.of_program(programs[0], OWNERS)) == []


def test_changed_and_foreign_programs_are_named(tmp_path: Path) -> None:
    programs = [program(tmp_path, name) for name in ("svc", "svok", "svstat", "tai64n")]
    with open(programs[0], "a") as file:
        file.write("# mine\n")
    Path(programs[1]).write_text("#!/bin/sh\n")
    text = Path(programs[2]).read_text().replace("sys.path", "sys.path ", 1)
    Path(programs[2]).write_text(text)
    programs += [program(tmp_path, name) for name in ("setlock", "envdir")]
    assert sorted(instcheck.of_launchers(programs)) == [
        f"{programs[0]} is not the program that setup installed",
        f"{programs[1]} is not the program that setup installed",
        f"{programs[2]} is of another version",
    ]


def test_program_that_cannot_be_executed_is_named(tmp_path: Path) -> None:
    path = program(tmp_path, "svc")
    os.chmod(path, 0o644)
    assert list(instcheck.of_program(path, OWNERS)) == [f"{path} has wrong permissions"]
    gone = f"{tmp_path}/gone"
    assert list(instcheck.of_program(gone, OWNERS)) == [f"{gone} does not exist"]
