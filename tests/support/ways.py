"""Starting a program every way there is, and what its main saw and said each time.

The programs run from a private runtime: a copy of the checkout in which every main
first notes the state of its process (ways_probe). A warm parent of that runtime
(ways_warm) starts them all.
"""

from __future__ import annotations

import ast
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytools.process import launcher
from pytools.process.programs import ALIASES, PYTOOLS, QMAIL
from tests.conftest import CHECKOUT
from tests.support.queuehome import make_queue

State = dict[str, Any]
PROGRAMS = sorted(PYTOOLS | QMAIL | set(ALIASES))
SECONDS = 30.0
HOOK = """

_load_unnoted = load


def load(program: bytes) -> Callable[[list[bytes]], int]:
    from pytools.process import ways_probe

    return ways_probe.noting(program, _load_unnoted(program))
"""


class Outcome:
    """What one start of a program came to."""

    def __init__(self, pid: int, raw: int, out: bytes, err: bytes) -> None:
        self.pid = pid
        self.status = os.waitstatus_to_exitcode(raw)
        self.out = out
        self.err = err
        self.states: list[State] = []

    def said(self) -> tuple[int, bytes, bytes]:
        """What a caller of the program could tell it by."""
        return self.status, self.out, self.err


class Runtime:
    """The private runtime, its home, and the warm parent that runs from it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bin = path / "bin"
        self.home = path / "home"
        self._copy_checkout()
        self._make_home()
        self._runs = 0
        libraries = launcher.search_path()[1:]
        self.search_path = [str(path / "lib"), *libraries]
        for name in PROGRAMS:
            self.install(self.bin / os.fsdecode(name), name)
        code = f"import sys; sys.path[:0] = {self.search_path!r}; import ways_warm"
        self._log = path / "warm.log"
        with self._log.open("wb") as log:
            self._warm = subprocess.Popen(
                [sys.executable, launcher.FLAGS, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                env={"PATH": f"{self.bin}:/usr/bin:/bin"},
            )

    def install(self, file: Path, program: bytes, home: bytes = b"") -> None:
        """Write a launcher."""
        text = launcher.render(
            program, home or os.fsencode(self.home), path=self.search_path
        )
        file.write_bytes(text)
        file.chmod(0o755)

    def _copy_checkout(self) -> None:
        lib = self.path / "lib"
        for package in ("pytools", "qmail"):
            # Whoever imports a module meanwhile has a file for a moment.
            momentary = shutil.ignore_patterns("*.pyc.*")
            shutil.copytree(CHECKOUT / package, lib / package, ignore=momentary)
        support = CHECKOUT / "tests/support"
        shutil.copy(support / "ways_probe.py", lib / "pytools/process")
        shutil.copy(support / "ways_warm.py", lib)
        with (lib / "pytools/process/chain.py").open("a") as file:
            file.write(HOOK)
        subprocess.run(
            [sys.executable, "-m", "compileall", "-q", lib], check=True, timeout=100
        )
        self.bin.mkdir()
        (self.path / "notes").mkdir()
        (self.path / "notes").chmod(0o777)

    def _make_home(self) -> None:
        # The trial file gives all roles to whoever runs the tests.
        make_queue(f"{self.home}/queue")
        for name in ("control", "users", "alias", "run"):
            (self.home / name).mkdir()
        (self.home / "bin").symlink_to("../bin")
        (self.home / "trial").write_text(f"{os.getuid()} {os.getgid()}\n")
        (self.home / "control/me").write_text("me.example\n")
        (self.home / "control/smtproutes").write_text("routed.example:127.0.0.1:1\n")
        (self.home / "control/morercpthosts").write_text("more.example\n")
        (self.home / "users/assign").write_text("=a:b:1:2:/h:::\n.\n")
        (self.home / "queue/lock/tcpto").write_bytes(bytes(1024))

    def directory(self) -> Path:
        """A new empty directory to run a program in."""
        self._runs += 1
        path = self.path / f"run{self._runs}"
        (path / "cwd").mkdir(parents=True)
        return path

    def environment(self) -> dict[bytes, bytes]:
        """Some environment, with bytes that are no text, and a time zone."""
        return {
            b"PATH": b"%b:/usr/bin:/bin" % os.fsencode(self.bin),
            b"EMPTY": b"",
            b"BYTES": b"a=b\xff\n",
            b"TZ": b"XYZ-3",
            b"LC_CTYPE": b"C.UTF-8",
        }

    def start(
        self,
        argv: list[bytes],
        *,
        by_exec: bool,
        env: dict[bytes, bytes] | None = None,
        stdin: bytes = b"",
        prepare: Callable[[Path], object] | None = None,
        directory: Path | None = None,
        ignored: tuple[int, ...] = (2,),
        blocked: tuple[int, ...] = (10, 34),
        closed: tuple[int, ...] = (),
        umask: int = 0o027,
        caught: tuple[int, ...] = (),
        must_exec: bool = False,
    ) -> Outcome:
        """Start ``argv`` from the warm parent, wait, and gather what is to be known."""
        run = directory or self.directory()
        if prepare is not None:
            prepare(run / "cwd")
        for name in ("out", "err", "3"):
            (run / name).touch()
        # Of the children of programs; a number may come again.
        for left in (self.path / "notes").iterdir():
            left.unlink()
        (run / "in").write_bytes(stdin)
        names = {0: "in", 1: "out", 2: "err", 3: "3", 7: "in", 9: "in"}
        order = {
            "exec": by_exec,
            "path": os.fsencode(self.bin) + b"/" + argv[0],
            "argv": [word.replace(b"<CWD>", os.fsencode(run / "cwd")) for word in argv],
            "env": self.environment() if env is None else env,
            "cwd": os.fsencode(run / "cwd"),
            "umask": umask,
            "ignored": [int(number) for number in ignored],
            "blocked": list(blocked),
            "closed": closed,
            "caught": list(caught),
            "must_exec": must_exec,
            "files": {fd: os.fsencode(run / name) for fd, name in names.items()},
        }
        assert self._warm.stdin is not None
        assert self._warm.poll() is None, self._log.read_text()
        self._warm.stdin.write(repr(order).encode() + b"\n")
        pid = int(self._line(None))
        raw = int(self._line(pid))
        place = os.fsencode(run)
        outcome = Outcome(
            pid,
            raw,
            (run / "out").read_bytes().replace(place, b"<RUN>"),
            (run / "err").read_bytes().replace(place, b"<RUN>"),
        )
        notes = self.path / f"notes/{pid}"
        if notes.exists():
            text = notes.read_text().replace(str(run), "<RUN>")
            outcome.states = [ast.literal_eval(line) for line in text.splitlines()]
            notes.unlink()
        return outcome

    def _line(self, pid: int | None) -> bytes:
        assert self._warm.stdout is not None
        deadline = time.monotonic() + SECONDS
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self._warm.stdout], [], [], left)[0]:
                if pid is not None:
                    os.kill(pid, 9)
                raise AssertionError(f"nothing within {SECONDS} s")
            byte = self._warm.stdout.read(1)
            assert byte, self._log.read_text()
            line += byte
        return line

    def close(self) -> None:
        """End the warm parent."""
        assert self._warm.stdin is not None
        assert self._warm.stdout is not None
        self._warm.stdin.close()
        self._warm.wait(SECONDS)
        self._warm.stdout.close()


@contextmanager
def private_runtime(path: Path) -> Iterator[Runtime]:
    """A runtime below ``path``, and its end."""
    runtime = Runtime(path)
    try:
        yield runtime
    finally:
        runtime.close()
