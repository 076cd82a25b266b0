"""The two sides of the oracle tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.oracle import Both, install_all


@pytest.fixture(scope="session")
def launchers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a launcher of every program of daemontools and ucspi-tcp."""
    return install_all(tmp_path_factory.mktemp("ours") / "bin")


@pytest.fixture
def both(launchers: Path, originals: str, tmp_path: Path) -> Both:
    """Debian's programs and ours."""
    return Both(launchers, originals, tmp_path)
