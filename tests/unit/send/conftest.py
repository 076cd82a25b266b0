"""A scheduler in memory for each test."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.support.crashfs import CrashFs
from tests.unit.send.rigging import DIRECTORIES, NOW, MemoryRig


@pytest.fixture(autouse=True)
def _stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is NOW for the scheduler."""
    clock = SimpleNamespace(time=lambda: NOW)
    monkeypatch.setattr("qmail.send.scheduler.time", clock)


@pytest.fixture
def fs() -> CrashFs:
    """An empty queue."""
    fs = CrashFs(DIRECTORIES)
    fs.now = float(NOW)
    return fs


@pytest.fixture
def rig(fs: CrashFs) -> Iterator[MemoryRig]:
    """Everything but the loop, with limits 10 and 20."""
    rig = MemoryRig(fs)
    yield rig
    rig.close()
