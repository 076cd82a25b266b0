"""Our programs behind launchers, and the originals, for the benches without a server."""

from __future__ import annotations

import compileall
import os
import py_compile
import shutil
import tempfile
from pathlib import Path

from pytools.process import launcher
from pytools.process.programs import PYTOOLS, QMAIL
from tests.conftest import CHECKOUT, ORIGINALS


class Programs:
    """A directory of launchers, and the code that they run, compiled as setup does.

    There for as long as the object lives. From the checkout a program that was edited
    since the last look would be compiled anew at every start.
    """

    def __init__(self) -> None:
        self._place = tempfile.TemporaryDirectory(prefix="bench-")
        self.directory = self._place.name
        os.chmod(self.directory, 0o755)
        lib = f"{self.directory}/lib"
        for package in ("pytools", "qmail"):
            shutil.copytree(CHECKOUT / package, f"{lib}/{package}")
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        compileall.compile_dir(lib, quiet=1, force=True, invalidation_mode=mode)
        libraries = [p for p in launcher.search_path() if p != str(CHECKOUT)]
        home = os.fsencode(self.directory)
        for program in PYTOOLS | QMAIL:
            file = Path(self.directory, program.decode())
            text = launcher.render(program, home, path=[lib, *libraries])
            file.write_bytes(text)
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
