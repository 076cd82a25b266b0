"""One command line, run with the original programs and with ours: the same or not.

Case         a line for /bin/sh, run in a fresh directory of one and the same path, first
             with the originals first in $PATH, then with ours; with the same input,
             environment, files and open descriptors (0, 1, 2).
Input        is whole in the pipe before anything runs: how much a read() gets is the same
             on both sides, however fast anybody is.
Compared     exit status, standard output, standard error, and every file left behind:
             name, type, mode, content. Before that, pids become PID, TAI64N labels
             ``@LABEL`` and durations ``N seconds``.
On purpose   a case named in differences.py must differ; one that is not must not. So the
             table there is complete, and none of its rows is stale.
Use          ``CASES = [Case("setlock -z", ...), ...]`` and

                 @pytest.mark.parametrize("case", CASES, ids=str)
                 def test_setlock_does_as_the_original(case: Case, both: Both) -> None:
                     both.check("setlock", case)
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

from pytools.process.programs import PYTOOLS
from tests.interop.differences import DIFFERENCES
from tests.support.launchers import install

SECONDS = 120
"""For one side of a case."""
LABEL = re.compile(rb"@4[0-9a-f]{23}")
SECONDS_AGO = re.compile(rb"-?\d+ seconds")
PID = re.compile(rb"(?<=\bpid )\d+")

Prepare = Callable[[Path], object]


class Case:
    """One command line and what lies around it.

    ``files``: name to content; one that begins with ``#!`` is executable, a name that
    ends in ``/`` is a directory. ``replace``: further (pattern, replacement) pairs for
    output and file contents. ``only``: which of "status", "out", "err", "files" count.
    """

    def __init__(
        self,
        line: str,
        stdin: bytes = b"",
        *,
        name: str = "",
        files: dict[str, str | bytes] | None = None,
        prepare: Prepare | None = None,
        env: dict[str, str] | None = None,
        replace: list[tuple[bytes, bytes]] | None = None,
        only: str = "status out err files",
        umask: int = 0o022,
    ) -> None:
        self.line = line
        self.stdin = stdin
        self.name = name or line
        self.files = files or {}
        self.prepare = prepare
        self.env = env or {}
        self.replace = [(re.compile(old), new) for old, new in replace or []]
        self.only = only.split()
        self.umask = umask

    def __str__(self) -> str:
        return re.sub(r"[^!-~]+", " ", self.name)[:80]


def lines(program: str, *words: str, prepare: Prepare | None = None) -> list[Case]:
    """The program with each of these command lines."""
    return [Case(f"{program} {line}", prepare=prepare) for line in words]


class Outcome:
    """What a run came to, made comparable."""

    def __init__(self, case: Case, done: subprocess.CompletedProcess[bytes]) -> None:
        self.status = done.returncode
        self.out = _plain(case, done.stdout)
        self.err = _plain(case, done.stderr)
        self.files: dict[str, object] = {}

    def said(self, case: Case) -> dict[str, object]:
        """What counts in this case."""
        return {what: getattr(self, what) for what in case.only}


def _plain(case: Case, text: bytes) -> bytes:
    for pattern, new in case.replace:
        text = pattern.sub(new, text)
    text = LABEL.sub(b"@LABEL", text)
    return SECONDS_AGO.sub(b"N seconds", PID.sub(b"PID", text))


def _left(case: Case, place: Path) -> dict[str, object]:
    """The files below a directory: type and mode, and what is in them."""
    found: dict[str, object] = {}
    for path in sorted(place.rglob("*")):
        name = _plain(case, os.fsencode(path.relative_to(place))).decode("latin-1")
        mode = path.lstat().st_mode
        content: object = None
        if stat.S_ISREG(mode):
            content = _plain(case, path.read_bytes())
        elif stat.S_ISLNK(mode):
            content = os.readlink(path)
        found.setdefault(name, [])
        kept = found[name]
        assert isinstance(kept, list)
        # Several files may have become one name: @LABEL.s, in the order of their times.
        kept.append((f"{mode:o}", content))
    return found


class Both:
    """The programs of both sides, and the directory to run them in."""

    def __init__(self, ours: Path, originals: str, scratch: Path) -> None:
        self.directory = {"originals": originals, "ours": str(ours)}
        self._scratch = scratch
        self._bin = scratch / "bin"

    def run(self, side: str, case: Case) -> Outcome:
        """Run a case on the side "ours" or "originals"."""
        place = self._scratch / "case"
        place.mkdir()
        for name, content in case.files.items():
            _make(place / name, content, name.endswith("/"))
        if case.prepare is not None:
            case.prepare(place)
        # $PATH is the same too: a link that leads to one side or the other.
        self._bin.unlink(missing_ok=True)
        self._bin.symlink_to(self.directory[side])
        env = {"PATH": f"{self._bin}:/usr/bin:/bin", **case.env}
        stdin = _filled(case.stdin)
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", case.line],
                cwd=place,
                env=env,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                umask=case.umask,
                start_new_session=True,
            )
        finally:
            os.close(stdin)
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise AssertionError(f"{case} with {side} does not end") from None
        done = subprocess.CompletedProcess(case.line, process.returncode, out, err)
        outcome = Outcome(case, done)
        outcome.files = _left(case, place)
        shutil.rmtree(place)
        return outcome

    def check(self, program: str, case: Case) -> None:
        """Fail if the sides differ, or do not although differences.py says so."""
        theirs = self.run("originals", case).said(case)
        ours = self.run("ours", case).said(case)
        reason = DIFFERENCES.get((program, str(case)))
        if reason is None:
            assert ours == theirs
        else:
            assert ours != theirs, f"no longer different: {reason}"


def _filled(data: bytes) -> int:
    """A pipe to read from, with all of that and the end in it."""
    read_end, write_end = os.pipe()
    if len(data) > fcntl.fcntl(write_end, fcntl.F_GETPIPE_SZ):
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, len(data))
    os.set_blocking(write_end, False)
    assert os.write(write_end, data) == len(data)
    os.close(write_end)
    return read_end


def _make(path: Path, content: str | bytes, is_directory: bool) -> None:
    if is_directory:
        path.mkdir(parents=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(data)
    path.chmod(0o755 if data.startswith(b"#!") else 0o644)


def install_all(directory: Path) -> Path:
    """Write the launchers of daemontools and ucspi-tcp."""
    return install(directory, PYTOOLS, "/nonexistent")
