"""Reading the files that a delivery follows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytools.base.exits import Exit, Strerr
from qmail.forwarding.regular import read_regular
from qmail.mail.delivering import LARGEST

ERRORS = Strerr(b"p")


def test_largest_file_is_read_whole_and_no_larger_one(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"first")
    os.truncate(path, LARGEST)
    assert read_regular(os.fsencode(path), ERRORS) == b"first".ljust(LARGEST, b"\0")
    os.truncate(path, LARGEST + 1)
    with pytest.raises(Exit) as end:
        read_regular(os.fsencode(path), ERRORS)
    assert (end.value.code, end.value.text) == (
        111,
        b"p: fatal: %b is too big" % os.fsencode(path),
    )


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o440, 0o044])
def test_world_readable_is_readable_for_all_three(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x")
    path.chmod(mode)
    with pytest.raises(Exit) as end:
        read_regular(os.fsencode(path), ERRORS, world_readable=True)
    assert end.value.text.endswith(b"/f is not world-readable")
    path.chmod(0o444)
    assert read_regular(os.fsencode(path), ERRORS, world_readable=True) == b"x"
