"""The two sides of the oracle tables, and the time for both."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.oracle import Both, install_all

SECONDS = 400
"""For a test: twice that of one side, and the longest fixture."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this directory the time for both sides."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def launchers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a launcher of every program of daemontools and ucspi-tcp."""
    return install_all(tmp_path_factory.mktemp("ours") / "bin")


@pytest.fixture
def both(launchers: Path, originals: str, tmp_path: Path) -> Both:
    """Debian's programs and ours."""
    return Both(launchers, originals, tmp_path)
