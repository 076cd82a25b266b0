"""Run a program's main in a fork of the test: as another process, without its price.

Everything is as after exec (tests/process/test_ways.py compares), so what a test says
about a program this way holds for the program that a user starts.
"""

from __future__ import annotations

import os
from pathlib import Path

from pytools.base import environment, signals
from pytools.process import child, runner

PATH = "/usr/bin:/bin"


class Done:
    """What came of it."""

    def __init__(self, raw: int, out: bytes, err: bytes) -> None:
        self.status = os.waitstatus_to_exitcode(raw)
        self.out = out
        self.err = err

    @property
    def said(self) -> tuple[int, bytes, bytes]:
        return self.status, self.out, self.err


class Forked:
    """Runs programs in ``path``, which is their home, too."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(
        self,
        *words: str | bytes,
        data: bytes | None = b"",
        env: dict[str, str] | None = None,
        stdin: int | None = None,
    ) -> Done:
        """Run the words; ``data`` is a file on descriptor 0, None closes it."""
        argv = [os.fsencode(word) for word in words]
        found = {b"PATH": os.fsencode(PATH)}
        for name, value in (env or {}).items():
            found[os.fsencode(name)] = os.fsencode(value)
        files = [self.path / f".{name}" for name in ("in", "out", "err")]
        files[0].write_bytes(data or b"")

        def body() -> int:
            signals.undo_interpreter()
            os.chdir(self.path)
            source = os.open(files[0], os.O_RDONLY) if stdin is None else stdin
            os.dup2(source, 0)
            for number in (1, 2):
                os.dup2(os.open(files[number], os.O_WRONLY | os.O_TRUNC), number)
            os.closerange(3, 256)
            if data is None:
                os.close(0)
            environment.replace(found)
            return runner.call_main(argv[0], os.fsencode(self.path), argv)

        for file in files[1:]:
            file.write_bytes(b"")
        raw = child.wait_for(child.fork(body))
        return Done(raw, files[1].read_bytes(), files[2].read_bytes())
