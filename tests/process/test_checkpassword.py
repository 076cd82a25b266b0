"""checkpassword as a process, with accounts of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.process.test_pop3 import broken, run

NOBODY = 65534
YESCRYPT = "$y$j9T$saltsaltsaltsaltsalt./$1vJrJFB8oKMK.nXC4xgk5kfBEQkKv/ZWOe4XFex/am7"
WORDS = b"secret words"
PASSWD = """root:x:0:0:root:/root:/bin/sh
toor:x:0:0:root:/:/bin/sh
eve:x:54321:54322:Eve:/:/bin/evesh
oldpw:{hash}:54323:54322::/:/bin/sh
locked:x:54324:54322::/:/bin/sh
barred:x:54325:54322::/:/bin/sh
empty:x:54326:54322::/:/bin/sh
homeless:x:54327:54322::/nosuchhome:/bin/sh
"""
SHADOW = """root:{hash}:19000:0:99999:7:::
toor:{hash}:19000:0:99999:7:::
eve:{hash}:19000:0:99999:7:::
locked:!{hash}:19000:0:99999:7:::
barred:{hash}:19000:0:99999:7::19001:
empty::19000:0:99999:7:::
homeless:{hash}:19000:0:99999:7:::
"""


class Checker:
    """checkpassword with accounts of its own."""

    def __init__(self, python: list[str], tmp_path: Path) -> None:
        self._program = " ".join([*python, "checkpassword"])
        self._files = tmp_path
        (tmp_path / "passwd").write_text(PASSWD.replace("{hash}", YESCRYPT))
        (tmp_path / "shadow").write_text(SHADOW.replace("{hash}", YESCRYPT))
        (tmp_path / "shadow").chmod(0o640)
        (tmp_path / "passwd").chmod(0o644)

    def check(
        self, record: bytes, words: str, before: str = "", fd3: str = "3<&0"
    ) -> subprocess.CompletedProcess[bytes]:
        """Have the record checked, and ``words`` run."""
        binds = "; ".join(
            f"mount --bind {self._files}/{name} /etc/{name}"
            for name in ("passwd", "shadow")
        )
        script = f"set -e; {binds}; exec {before} {self._program} {words} {fd3}"
        env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(CHECKOUT), "KEPT": "x"}
        words_of = ["unshare", "--mount", "sh", "-c", script]
        return run(words_of, record, env=env, cwd="/")


@pytest.fixture
def checker(python: list[str], tmp_path: Path, as_root: None) -> Checker:
    return Checker(python, tmp_path)


def test_right_password_runs_the_program_as_the_user(checker: Checker) -> None:
    show = "sh -c 'id -u; id -G; pwd; echo $USER $HOME $SHELL $KEPT; ls /proc/self/fd'"
    done = checker.check(b"eve\0secret words\0<stamp>\0", show)
    lines = done.stdout.decode().split("\n")
    assert lines[:4] == ["54321", "54322", "/", "eve / /bin/evesh x"]
    # 3 is what ls reads the directory by.
    assert lines[4:] == ["0", "1", "2", "3", ""]
    assert (done.returncode, done.stderr) == (0, b"")
    assert checker.check(b"oldpw\0secret words\0", "sh -c 'exit 7'").returncode == 7


def test_refusals_are_1_and_silent(checker: Checker) -> None:
    refused = [
        b"eve\0wrong\0\0",
        b"eve\0\0\0",
        b"nosuch\0secret words\0\0",
        b"\0secret words\0\0",
        *(
            b"%b\0secret words\0\0" % n
            for n in (b"root", b"toor", b"locked", b"barred")
        ),
        b"empty\0\0\0",
        b"empty\0x\0\0",
        b"eve\0secret words\0" + b"x" * 500,
    ]
    for record in refused:
        done = checker.check(record, "echo in")
        assert (done.returncode, done.stdout, done.stderr) == (1, b"", b""), record


def test_misuse_is_2_and_trouble_is_111(checker: Checker) -> None:
    assert checker.check(b"eve\0secret words\0\0", "").returncode == 2
    for record in (b"", b"eve", b"eve\0", b"eve\0secret words"):
        assert checker.check(record, "echo in").returncode == 2
    right = b"eve\0secret words\0\0"
    assert checker.check(right, "/nosuch").returncode == 111
    assert checker.check(right, "echo in", fd3="3<&-").returncode == 111
    assert checker.check(b"homeless\0secret words\0\0", "echo in").returncode == 111
    nobody = f"setpriv --reuid {NOBODY} --clear-groups"
    done = checker.check(right, "echo in", before=nobody)
    assert (done.returncode, done.stdout, done.stderr) == (111, b"", b"")


@pytest.mark.parametrize("error", ["MemoryError", "ValueError"])
def test_bug_is_111_and_says_nothing(python: list[str], error: str) -> None:
    words = broken(python, "qmail.control", "passwords", "authenticate", error)
    shell = ["sh", "-c", 'exec "$@" 3<&0', "sh"]
    # With qmail.control alone loaded its module would not be there to be changed.
    words[-1] = "import qmail.control.passwords\n" + words[-1]
    env = {"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin"}
    record = b"eve\0secret words\0\0"
    done = run([*shell, *words, "checkpassword", "true"], record, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (111, b"", b"")
