"""The made-up machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.operator.doctor.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """One on which nothing is wrong."""
    scene = Scene(tmp_path)
    scene.build()
    yield scene
    scene.unsupervised()
