"""Launchers: written one way, recognised only when exactly so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytools.process import chain, launcher

GOOD = launcher.render(b"svok", b"/var/qmail")


def test_launcher_names_everything_that_decides_what_runs() -> None:
    lines = GOOD.decode().splitlines()
    assert lines[0] == f"#!{sys.executable} -ISBXutf8"
    assert repr(launcher.search_path()) in lines[2]
    assert lines[-1] == "launch(b'svok', b'/var/qmail')"


def test_launcher_of_this_runtime_is_recognised() -> None:
    assert launcher.parse(GOOD) == (b"svok", b"/var/qmail")


HOSTILE = {
    "empty": b"",
    "a comment more": GOOD + b"# x\n",
    "a blank more": GOOD + b" ",
    "a line first": b"\n" + GOOD,
    "no last newline": GOOD[:-1],
    "carriage returns": GOOD.replace(b"\n", b"\r\n"),
    "another interpreter": GOOD.replace(b"#!", b"#! ", 1),
    "other flags": GOOD.replace(b"-ISBXutf8", b"-ISXutf8"),
    "another path": GOOD.replace(b"sys.path[:0] = [", b"sys.path[:0] = ['/x', "),
    "code between": GOOD.replace(b"\nlaunch(", b"\nimport os\nlaunch(", 1),
    "two launches": GOOD + b"launch(b'svok', b'/var/qmail')\n",
    "double quotes": GOOD.replace(b"b'svok'", b'b"svok"'),
    "a call inside": GOOD.replace(b"b'svok'", b"b'sv' + b'ok'"),
    "a quote in the program": GOOD.replace(b"b'svok'", b"b's\\'vok'"),
    "one word": GOOD.replace(b"b'svok', ", b""),
    "three words": GOOD.replace(b"b'/var/qmail'", b"b'/var/qmail', b'x'"),
    "text for bytes": GOOD.replace(b"b'svok'", b"'svok'"),
    "not text": GOOD.replace(b"svok", b"sv\xff\xfe"),
    "a NUL": GOOD.replace(b"svok", b"sv\0ok"),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_that_is_not_exactly_a_launcher_is_none(text: bytes) -> None:
    assert launcher.parse(text) is None


@pytest.mark.parametrize(
    "home", [b"/a b", b"/a'b", b'/a"b', b"/a\\b", b"/\xe9", b"/a\n"]
)
def test_launcher_of_an_odd_home_runs_in_it(tmp_path: Path, home: bytes) -> None:
    file = tmp_path / "svok"
    file.write_bytes(launcher.render(b"svok", home))
    file.chmod(0o755)
    done = subprocess.run([file], capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (100, b"svok: usage: svok dir\n")
    # Whether it is recognised or exec'ed is a matter of speed; a wrong home is not.
    assert launcher.parse(file.read_bytes()) in (None, (b"svok", home))


def test_program_that_does_not_exist_is_not_ours(tmp_path: Path) -> None:
    file = tmp_path / "prog"
    file.write_bytes(launcher.render(b"nosuchprogram", b"/h"))
    file.chmod(0o755)
    assert chain.is_ours(bytes(file)) is None


@pytest.mark.parametrize("size", [4095, 4096, 5000])
def test_long_file_that_begins_and_ends_as_a_launcher_is_not_ours(
    tmp_path: Path, size: int
) -> None:
    file = tmp_path / "svok"
    file.write_bytes(GOOD.replace(b"\n", b"\n" + b"#" * (size - len(GOOD)), 1))
    file.chmod(0o755)
    assert chain.is_ours(bytes(file)) is None


def test_search_path_begins_with_our_own_code() -> None:
    own, *libraries = launcher.search_path()
    assert Path(own, "pytools/process/launcher.py").is_file()
    assert all(entry.endswith("-packages") for entry in libraries)
