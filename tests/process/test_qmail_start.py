"""qmail-start's layout: who runs, as whom, on which descriptors."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.until import until

NOBODY = 65534
CHECKOUT = Path(__file__).resolve().parents[2]
# Each stand-in says what it is, and qmail-send waits for the test's word to end.
STAND_IN = """\
#!/bin/sh
name=${{0##*/}}
facts=$(
  echo "argv $*"; echo "ids $(id -u) $(id -g)"; echo "cwd $(pwd)"
  echo "umask $(umask)"
  for fd in 0 1 2 3 4 5 6 7 8 9; do
    test -e /proc/$$/fd/$fd && echo "fd$fd $(readlink /proc/$$/fd/$fd)"
  done
)
echo "$facts" > {0}/$name.new
mv {0}/$name.new {0}/$name.out
test $name = qmail-send && read line < {0}/gate
case $name in qmail-queued|logger) cat > /dev/null; echo ended > {0}/$name.ended; esac
exit 0
"""
NAMES = ("qmail-lspawn", "qmail-rspawn", "qmail-clean", "qmail-queued", "qmail-send")


class Started:
    """qmail-start with stand-ins for all it starts."""

    def __init__(self, place: Path, python: list[str], args: list[str]) -> None:
        self.place = place
        env = {
            "PATH": f"{place}:/usr/bin:/bin",
            "PYTHONPATH": str(CHECKOUT),
            "PYQMAIL_TEST_HOME": str(place),
        }
        self.process = subprocess.Popen(
            [*python, "qmail-start", *args],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def facts(self, name: str) -> dict[str, str]:
        """What a program said about itself."""
        path = self.place / f"{name}.out"
        until(path.exists, what=name)
        lines = path.read_text().splitlines()
        return dict(line.partition(" ")[::2] for line in lines)

    def end(self) -> int:
        """Let qmail-send end; its status."""
        if self.process.poll() is None:
            fd = os.open(self.place / "gate", os.O_RDWR)
            os.write(fd, b"\n")
            self.process.wait(20)
            os.close(fd)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            if not stream.closed:
                assert stream.read() == b""
                stream.close()
        return self.process.returncode


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user may write to, with the stand-ins in it."""
    path = Path(tempfile.mkdtemp(prefix="qmail-start."))
    path.chmod(0o777)
    os.mkfifo(path / "gate")
    (path / "gate").chmod(0o666)
    for name in (*NAMES, "logger"):
        (path / name).write_text(STAND_IN.format(path))
        (path / name).chmod(0o755)
    uid, gid = (NOBODY, NOBODY) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    (path / "trial").write_text(f"{uid} {gid}\n")
    yield path
    shutil.rmtree(path)


Start = Callable[..., Started]


@pytest.fixture
def start(place: Path, python: list[str]) -> Iterator[Start]:
    """Start qmail-start; whatever runs at the end of the test is told to end."""
    all_started: list[Started] = []

    def begin(*args: str) -> Started:
        all_started.append(Started(place, python, list(args)))
        return all_started[-1]

    yield begin
    for started in all_started:
        started.end()


def test_programs_have_their_arguments_users_and_pipes(
    place: Path, start: Start
) -> None:
    started = start("./Maildir/")
    facts = {name: started.facts(name) for name in NAMES}
    uid, gid = (place / "trial").read_text().split()
    for name in NAMES:
        root = name == "qmail-lspawn"
        assert facts[name]["ids"] == f"{os.geteuid() if root else uid} {gid}"
        assert facts[name]["cwd"] == "/"
        assert facts[name]["umask"] == "0077"
    assert facts["qmail-lspawn"]["argv"] == "./Maildir/"
    assert facts["qmail-queued"]["argv"] == "-1"
    send = facts["qmail-send"]
    for name, to, back in (
        ("qmail-lspawn", "fd1", "fd2"),
        ("qmail-rspawn", "fd3", "fd4"),
        ("qmail-clean", "fd5", "fd6"),
    ):
        assert facts[name]["fd0"] == send[to]
        assert facts[name]["fd1"] == send[back]
        # The stand-in's 3 is the pipe that it collects its words with.
        assert not {f"fd{n}" for n in range(4, 10)} & facts[name].keys()
    assert facts["qmail-queued"]["fd0"] == send["fd7"]
    assert len({send[f"fd{n}"] for n in range(8)}) == 8
    assert started.end() == 0
    # Nobody but qmail-send held the end whose end of file this waits for.
    until((place / "qmail-queued.ended").exists)


def test_default_delivery_is_the_mailbox(place: Path, start: Start) -> None:
    started = start()
    assert started.facts("qmail-lspawn")["argv"] == "./Mailbox"
    started.facts("qmail-send")
    assert started.end() == 0


def test_logger_reads_what_qmail_send_writes(place: Path, start: Start) -> None:
    started = start("./Mailbox", "logger", "-x", "tag")
    logger = started.facts("logger")
    assert logger["argv"] == "-x tag"
    assert logger["ids"] == (place / "trial").read_text().strip()
    assert logger["fd0"] == started.facts("qmail-send")["fd0"]
    assert started.end() == 0
    until((place / "logger.ended").exists)


def test_missing_program_fails_silently(place: Path, start: Start) -> None:
    (place / "qmail-send").unlink()
    started = start()
    started.process.wait(20)
    assert started.end() == 111


def test_unknown_accounts_fail_silently(place: Path, start: Start) -> None:
    (place / "trial").unlink()
    started = start()
    started.process.wait(20)
    if started.end() != 111:
        pytest.fail("these accounts exist here")
