"""Our programs behind launchers, and the originals, for the benches without a server."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pytools.process import launcher
from pytools.process.programs import PYTOOLS, QMAIL
from tests.conftest import ORIGINALS


class Programs:
    """A directory of launchers of this checkout, for as long as the object lives."""

    def __init__(self) -> None:
        self._place = tempfile.TemporaryDirectory(prefix="bench-")
        self.directory = self._place.name
        os.chmod(self.directory, 0o755)
        for program in PYTOOLS | QMAIL:
            file = Path(self.directory, program.decode())
            file.write_bytes(launcher.render(program, os.fsencode(self.directory)))
            file.chmod(0o755)

    def path(self, name: str) -> str:
        """Our program."""
        return f"{self.directory}/{name}"

    def close(self) -> None:
        """Remove them."""
        self._place.cleanup()


def original(name: str) -> str | None:
    """Debian's program of that name, if it is unpacked or installed."""
    for directory in (f"{ORIGINALS}/usr/bin", "/usr/bin"):
        if os.access(f"{directory}/{name}", os.X_OK):
            return f"{directory}/{name}"
    return None
