"""The runtime directory: our code and its libraries, complete and then never changed.

    /usr/local/lib/pyqmail/<version>-<hash>/lib/{pytools,qmail,service-templates,dns,...}

Built under another name and renamed, so that it is whole or not there; launchers name it
(pytools/process/launcher.py), so a process runs one version from its start to its end.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from qmail.operator.places import SetupError

SOURCE = Path(__file__).resolve().parent.parent.parent
DEPENDENCIES = ("click>=8.1", "dnspython>=2.4", "cdbx>=0.2.0", "setproctitle>=1.3")
VERSION = "0.1.0"
KEEP_SECONDS = 24 * 3600
"""How long a replaced runtime stays for short-lived programs that nobody can see."""
HOMES = ".homes"
"""Beside the runtimes: the qmail homes whose launchers name them, one a line."""


def sources(root: Path = SOURCE) -> list[Path]:
    """The files of ours that a runtime holds, in a fixed order."""
    code = [p for pkg in ("pytools", "qmail") for p in (root / pkg).rglob("*.py")]
    scripts = [p for p in (root / "service-templates").rglob("*") if p.is_file()]
    return sorted(code + scripts)


def name(python: str) -> str:
    """``version-hash`` of exactly what a runtime built now would hold."""
    digest = hashlib.sha256(f"{python}\0{sys.version}\0{DEPENDENCIES}".encode())
    for path in sources():
        digest.update(b"\0%b\0" % str(path.relative_to(SOURCE)).encode())
        digest.update(path.read_bytes())
    return f"{VERSION}-{digest.hexdigest()[:12]}"


def build(runtimes: str, python: str, wheels: str | None) -> str:
    """Make the runtime if it is not there; the path of its lib directory.

    ``wheels`` is a directory to take the libraries from instead of the package index.
    """
    final = os.path.join(runtimes, name(python))
    if os.path.isdir(final):
        os.utime(final)
        return final + "/lib"
    _make_public_directory(runtimes)
    work = tempfile.mkdtemp(prefix=".building-", dir=runtimes)
    try:
        lib = os.path.join(work, "lib")
        os.mkdir(lib)
        _install_libraries(lib, python, wheels)
        for path in sources():
            target = os.path.join(lib, path.relative_to(SOURCE))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(path, target)
        _compile(lib)
        _set_modes(work)
        os.sync()
        os.rename(work, final)
        _sync_directory(runtimes)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return final + "/lib"


def _make_public_directory(path: str) -> None:
    old = os.umask(0o022)
    try:
        os.makedirs(path, mode=0o755, exist_ok=True)
    finally:
        os.umask(old)


def _install_libraries(lib: str, python: str, wheels: str | None) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        pip = _pip(scratch, python)
        command = [*pip, "install", "--quiet", "--target", lib, "--no-compile"]
        command += ["--disable-pip-version-check", "--no-warn-script-location"]
        # Without a network its five tries would take minutes to say so.
        command += ["--root-user-action=ignore", "--retries=1", "--timeout=20"]
        if wheels:
            command += ["--no-index", "--find-links", wheels]
        done = subprocess.run(
            [*command, *DEPENDENCIES], capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        source = f"from {wheels}" if wheels else "from the package index"
        if "No space left on device" in done.stderr:
            raise SetupError(
                f"unable to install the libraries below "
                f"{os.path.dirname(os.path.dirname(lib))}: No space left on device\n"
                f"...try: df {os.path.dirname(os.path.dirname(lib))} /tmp"
            )
        last = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        raise SetupError(
            f"unable to install the libraries {source}: {last}\n"
            "...try: with a network, or WHEELS=DIRECTORY with "
            "`pip download -d DIRECTORY click dnspython cdbx setproctitle` from one"
        )
    shutil.rmtree(os.path.join(lib, "bin"), ignore_errors=True)


def _pip(scratch: str, python: str) -> list[str]:
    # Debian's python3 has no pip of its own; the venv module brings one.
    done = subprocess.run(
        [python, "-I", "-m", "venv", scratch + "/venv"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise SetupError(
            f"{python} has no working venv module\n"
            f"...try: apt-get install python3-venv (or python{version}-venv)"
        )
    return [scratch + "/venv/bin/python", "-I", "-m", "pip"]


def _compile(lib: str) -> None:
    # unchecked-hash: the source is never looked at again, whatever its time stamp.
    compileall.compile_dir(
        lib,
        quiet=1,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        stripdir=os.path.dirname(lib),
    )


def _set_modes(root: str) -> None:
    for directory, _, files in os.walk(root):
        os.chmod(directory, 0o755)
        for file in files:
            os.chmod(os.path.join(directory, file), 0o644)


def _sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def in_use(directory: str) -> bool:
    """True while a process has a library of that runtime mapped.

    Every program that stays has: each loads setproctitle at its start.
    """
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/maps", errors="surrogateescape") as maps:
                if directory + "/" in maps.read():
                    return True
        except OSError:
            continue
    return False


def named_by(home: str, runtimes: str) -> set[str]:
    """The runtimes that the launchers of a qmail home name."""
    found: set[str] = set()
    pattern = re.compile(re.escape(os.fsencode(runtimes)) + rb"/([^/'\"]+)/lib['\"]")
    for path in Path(home, "bin").glob("*"):
        try:
            with path.open("rb") as file:
                found.update(map(os.fsdecode, pattern.findall(file.read(4096))))
        except OSError:
            continue
    return found


def retire(runtimes: str, names: set[str]) -> None:
    """Begin the time that these runtimes stay for what was started just before."""
    for entry in names:
        try:
            os.utime(os.path.join(runtimes, entry))
        except FileNotFoundError:
            continue


def homes(runtimes: str) -> list[str]:
    """The qmail homes that were ever installed with these runtimes."""
    try:
        text = Path(runtimes, HOMES).read_text(errors="surrogateescape")
    except FileNotFoundError:
        return []
    return text.splitlines()


def register(runtimes: str, home: str) -> None:
    """Note that the launchers of ``home`` name a runtime from here."""
    if home not in homes(runtimes):
        with open(f"{runtimes}/{HOMES}", "a", errors="surrogateescape") as file:
            file.write(f"{home}\n")
            file.flush()
            os.fsync(file.fileno())


def remove_old(
    runtimes: str, current: str, keep_seconds: float = KEEP_SECONDS
) -> list[str]:
    """Delete the runtimes that nothing runs from any more; the names of those gone.

    One that the launchers of another home name stays, also while nothing runs there.
    """
    gone: list[str] = []
    named = set[str]().union(*(named_by(home, runtimes) for home in homes(runtimes)))
    for entry in sorted(set(os.listdir(runtimes)) - named - {HOMES}):
        directory = os.path.join(runtimes, entry)
        age = time.time() - os.stat(directory).st_mtime
        if directory + "/lib" == current or age < keep_seconds or in_use(directory):
            continue
        shutil.rmtree(directory, ignore_errors=True)
        gone.append(entry)
    return gone
