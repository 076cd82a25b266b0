"""The kernel's word that a directory's entries have changed."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from pytools.base import signals
from pytools.process import child
from pytools.supervision import watching

CHANGES = {
    "mkdir": lambda: os.mkdir("new"),
    "symlink": lambda: os.symlink("x", "new"),
    "rename": lambda: os.rename("old", "new"),
    "rename away": lambda: os.rename("old", "../old"),
    "rename in": lambda: os.rename("../other", "new"),
    "unlink": lambda: os.unlink("old"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_watch_change_is_told(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "scanned"
    directory.mkdir()
    (directory / "old").touch()
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(directory)

    def body() -> int:
        pipe = signals.SelfPipe([watching.SIGIO])
        if not watching.watch():
            return 1
        CHANGES[change]()
        select.select([pipe.fd], [], [], 10)
        return 0 if watching.SIGIO in pipe.drain() else 2

    assert child.wait_for(child.fork(body)) == 0


def test_watch_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    before = os.listdir("/proc/self/fd")
    assert not watching.watch(bytes(tmp_path / "file"))
    assert not watching.watch(bytes(tmp_path / "none"))
    assert os.listdir("/proc/self/fd") == before
