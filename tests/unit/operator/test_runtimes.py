"""Old runtimes: which of them setup may delete, and when."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pytools.process import launcher
from qmail.operator import runtime

LONG_AGO = 100 * 24 * 3600


@pytest.fixture
def runtimes(tmp_path: Path) -> Path:
    """Two versions, both installed long ago."""
    place = tmp_path / "pyqmail"
    for name in ("1-old", "2-new"):
        (place / name / "lib").mkdir(parents=True)
        then = time.time() - LONG_AGO
        os.utime(place / name, (then, then))
    return place


def make_home(tmp_path: Path, runtimes: Path, version: str, name: str = "qmail") -> str:
    home = tmp_path / name
    (home / "bin").mkdir(parents=True)
    text = launcher.render(
        b"qmail-send",
        os.fsencode(home),
        "/usr/bin/python3",
        [f"{runtimes}/{version}/lib"],
    )
    (home / "bin/qmail-send").write_bytes(text)
    return str(home)


def remove_old(runtimes: Path) -> list[str]:
    return runtime.remove_old(str(runtimes), f"{runtimes}/2-new/lib")


def test_old_runtime_that_nobody_names_goes(tmp_path: Path, runtimes: Path) -> None:
    runtime.register(str(runtimes), make_home(tmp_path, runtimes, "2-new"))
    assert remove_old(runtimes) == ["1-old"]
    assert sorted(os.listdir(runtimes)) == [runtime.HOMES, "2-new"]


def test_runtime_of_another_home_stays_though_nothing_runs(
    tmp_path: Path, runtimes: Path
) -> None:
    runtime.register(str(runtimes), make_home(tmp_path, runtimes, "2-new"))
    other = make_home(tmp_path, runtimes, "1-old", "other")
    runtime.register(str(runtimes), other)
    assert remove_old(runtimes) == []
    (Path(other) / "bin/qmail-send").unlink()
    assert remove_old(runtimes) == ["1-old"]


def test_runtime_stays_a_day_from_when_it_was_replaced(
    tmp_path: Path, runtimes: Path
) -> None:
    home = make_home(tmp_path, runtimes, "1-old")
    replaced = runtime.named_by(home, str(runtimes))
    assert replaced == {"1-old"}
    (Path(home) / "bin/qmail-send").unlink()
    runtime.retire(str(runtimes), replaced)
    assert remove_old(runtimes) == []


def test_home_is_noted_once(tmp_path: Path, runtimes: Path) -> None:
    for _ in range(2):
        runtime.register(str(runtimes), "/var/qmail")
    assert runtime.homes(str(runtimes)) == ["/var/qmail"]
