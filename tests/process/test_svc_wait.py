"""svc -w: waits, notices at once, and says so by its exit status."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support import launchers, services
from tests.support.services import is_down, is_up, lives, make_service, supervised
from tests.support.until import until

SLEEPER = "exec sleep 1000"
STUBBORN = "trap '' TERM; echo >trapped; " + SLEEPER
USAGE = b"svc: usage: svc [ -udopchaitkx ] [ -w u|U|d|D|r|R ] [ -T seconds ] dir ...\n"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    return services.install(tmp_path / "bin")


def svc(tools: Path, *words: str) -> tuple[int, bytes]:
    done = subprocess.run(
        [tools / "svc", *words], cwd=tools.parent, capture_output=True, timeout=90
    )
    assert done.stdout == b""
    return done.returncode, done.stderr


def waiting(tools: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([tools / "svc", *words], cwd=tools.parent)


def open_files(pid: int) -> set[str]:
    """What a process has open."""
    found = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            found.add(os.readlink(fd))
    return found


def test_wait_up_and_down_of_several(tmp_path: Path, tools: Path) -> None:
    a = make_service(tmp_path / "a", SLEEPER, down=True)
    b = make_service(tmp_path / "b", SLEEPER, down=True)
    supervise = str(tools / "supervise")
    with supervised(a, supervise), supervised(b, supervise):
        assert svc(tools, "-w", "d", "a", "b") == (0, b"")
        assert svc(tools, "-uwu", "a", "b") == (0, b"")
        assert is_up(a)
        assert is_up(b)
        assert svc(tools, "-d", "-wd", "-T60", "a") == (0, b"")
        assert is_down(a)
        assert is_up(b)
        assert svc(tools, "-wu", "-T", "0", "a", "b") == (
            111,
            b"svc: warning: a is not up after 0 seconds\n",
        )


def test_wait_runs_out_for_a_service_that_hangs_on(tmp_path: Path, tools: Path) -> None:
    service = make_service(tmp_path / "s", STUBBORN)
    with supervised(service, str(tools / "supervise")):
        until(lambda: is_up(service) and (service / "trapped").exists())
        answer = (111, b"svc: warning: s is not down after 1 seconds\n")
        assert svc(tools, "-d", "-wd", "-T1", "s") == answer
        assert svc(tools, "-k", "-wd", "s") == (0, b"")


def test_wait_for_a_start_of_its_own(tmp_path: Path, tools: Path) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    with supervised(service, str(tools / "supervise")):
        assert svc(tools, "-wU", "s") == (0, b"")
        before = services.read_status(service).pid
        assert svc(tools, "-t", "-wr", "s") == (0, b"")
        assert services.read_status(service).pid not in (0, before)
        answer = (111, b"svc: warning: s is not started again after 0 seconds\n")
        assert svc(tools, "-T0", "-wr", "s") == answer


def test_wait_notices_at_once(tmp_path: Path, tools: Path) -> None:
    run = "while test ! -e gate; do sleep 0.02; done; echo >&3; " + SLEEPER
    service = make_service(tmp_path / "s", run)
    (service / "notification-fd").write_text("3")
    # It would look by itself once in an hour.
    hourly = "waiting.WATCHED_MILLISECONDS = 3_600_000"
    launchers.begin_with(
        tools / "svc", "from pytools.supervision import waiting", hourly
    )
    with supervised(service, str(tools / "supervise")):
        until(lambda: is_up(service))
        assert svc(tools, "-wU", "-T0", "s")[0] == 111
        process = waiting(tools, "-wU", "-T", "3600", "s")
        until(lambda: f"{service}/supervise" in open_files(process.pid))
        (service / "gate").touch()
        assert process.wait(20) == 0


def test_wait_down_and_finished_waits_for_finish(tmp_path: Path, tools: Path) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    (service / "finish").write_text(
        "#!/bin/sh\nwhile test ! -e gate && kill -0 $PPID; do sleep 0.02; done\n"
    )
    (service / "finish").chmod(0o755)
    (service / "timeout-finish").write_text("0\n")
    with supervised(service, str(tools / "supervise")):
        assert svc(tools, "-d", "-wd", "s") == (0, b"")
        answer = (111, b"svc: warning: s is not down and finished after 0 seconds\n")
        assert svc(tools, "-wD", "-T0", "s") == answer
        process = waiting(tools, "-wD", "s")
        (service / "gate").touch()
        assert process.wait(20) == 0


def test_wait_for_a_supervise_that_comes_and_one_that_goes(
    tmp_path: Path, tools: Path
) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    process = waiting(tools, "-wu", "s")
    with supervised(service, str(tools / "supervise")):
        assert process.wait(20) == 0
        assert svc(tools, "-dx", "-wd", "s") == (0, b"")
    until(lambda: svc(tools, "-u", "-wu", "s")[0] == 111)
    answer = b"svc: warning: unable to control s: supervise not running\n"
    assert svc(tools, "-u", "-wu", "s") == (111, answer)
    assert svc(tools, "-wD", "-T0", "s") == (0, b"")


def test_wait_does_not_take_an_orphan_for_down(tmp_path: Path, tools: Path) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    with supervised(service, str(tools / "supervise")) as process:
        until(lambda: is_up(service))
        process.kill()
        process.wait(20)
        pid = services.read_status(service).pid
        try:
            assert svc(tools, "-wd", "-T0", "s")[0] == 111
            assert svc(tools, "-wu", "-T0", "s")[0] == 111
        finally:
            subprocess.run(["kill", "-9", str(pid)], check=True)


def test_wait_for_an_original_supervise_up_is_ready(
    tmp_path: Path, tools: Path, originals: str
) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    (service / "supervise").mkdir(0o700)
    # What one of ours has left.
    old = f"@40000000{'0' * 16} start 3\n@40000000{'0' * 16} unready\n"
    (service / "supervise/last").write_text(old)
    with supervised(service, f"{originals}/supervise"):
        assert svc(tools, "-wU", "s") == (0, b"")
        assert svc(tools, "-t", "-wR", "s") == (0, b"")
        assert svc(tools, "-d", "-wD", "s") == (0, b"")


def hold_status(supervise: Path) -> None:
    """While there is hold-up or hold-down, no status that says so is written."""
    launchers.begin_with(
        supervise,
        "import os, time",
        "from pytools.supervision.service import ServiceFiles",
        "write = ServiceFiles.write_status",
        "def hold(self, record):",
        "    name = 'hold-up' if any(record[12:16]) else 'hold-down'",
        "    while os.path.exists(name): time.sleep(0.01)",
        "    write(self, record)",
        "ServiceFiles.write_status = hold",
    )


@contextmanager
def held(service: Path, name: str) -> Iterator[None]:
    """With that file in the service's directory."""
    (service / name).touch()
    try:
        yield
    finally:
        (service / name).unlink()


def report_of(tools: Path, service: Path) -> dict[str, Any]:
    """What svstat --json says."""
    done = subprocess.run(
        [tools / "svstat", "--json", service], capture_output=True, timeout=20
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def reached(tools: Path) -> str:
    """What svc -w finds true at one look."""
    return "".join(w for w in "uUrRdD" if not svc(tools, f"-w{w}", "-T0", "s")[0])


def test_wait_never_takes_one_that_dies_unready_for_ready(
    tmp_path: Path, tools: Path
) -> None:
    run = "while test ! -e gate; do sleep 0.02; done; exit 1"
    service = make_service(tmp_path / "s", run)
    (service / "notification-fd").write_text("3")
    hold_status(tools / "supervise")
    with supervised(service, str(tools / "supervise")):
        until(lambda: is_up(service))
        processes = [waiting(tools, f"-w{wish}", "-T60", "s") for wish in "UR"]
        kept = f"{service}/supervise"
        until(lambda: all(kept in open_files(each.pid) for each in processes))
        with held(service, "hold-down"):
            (service / "gate").touch()
            until(lambda: lives(service) == ["start 1", "exit 1"])
            assert services.read_status(service).pid != 0
            assert reached(tools) == "dD"
            seen = report_of(tools, service)
            assert (seen["up"], seen["pid"], seen["ready"]) == (False, None, None)
            assert (seen["want"], seen["starts"], seen["exit"]["code"]) == ("up", 1, 1)
            assert seen["since"] == seen["exit"]["at"]
        until(lambda: not {"start 1", "start 2"} & {*lives(service)})
        assert [each.poll() for each in processes] == [None, None]
        # Ready at last.
        (service / "run").write_text("#!/bin/sh\necho >&3; exec sleep 1000\n")
        assert [each.wait(20) for each in processes] == [0, 0]


def test_wait_never_takes_one_that_was_started_for_down(
    tmp_path: Path, tools: Path
) -> None:
    service = make_service(tmp_path / "s", SLEEPER, down=True)
    hold_status(tools / "supervise")
    with supervised(service, str(tools / "supervise")):
        with held(service, "hold-up"):
            services.send(service, b"u")
            until(lambda: lives(service) == ["start 1"])
            assert reached(tools) == ""
            seen = report_of(tools, service)
            assert (seen["up"], seen["starts"], seen["want"]) == (False, None, "up")
        assert svc(tools, "-wU", "s") == (0, b"")
        assert report_of(tools, service)["starts"] == 1


def test_wait_down_and_finished_after_a_failed_fork(
    tmp_path: Path, tools: Path
) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    (service / "finish").write_text("#!/bin/sh\n")
    (service / "finish").chmod(0o755)
    launchers.begin_with(
        tools / "supervise",
        "import os",
        "from pytools.process import child",
        "fork = child.fork",
        "def refuse(body):",
        "    if os.path.exists('full'): raise BlockingIOError(11, '')",
        "    return fork(body)",
        "child.fork = refuse",
    )
    with supervised(service, str(tools / "supervise"), name="s"):
        until(lambda: is_up(service))
        (service / "full").touch()
        assert svc(tools, "-t", "-wD", "s") == (0, b"")
        until(lambda: services.errors_of(service).read_text().count("\n") == 2)
        assert services.read_status(service).want == b"u"
        assert reached(tools) == "dD"
        assert svc(tools, "-d", "-wD", "s") == (0, b"")
        assert lives(service) == ["start 1", "signal 15"]
        assert report_of(tools, service)["finishing"] is False
    finish, start = services.errors_of(service).read_text().splitlines()
    text = "supervise: warning: unable to fork for s"
    assert finish.startswith(f"{text}/finish: ")
    assert start.startswith(f"{text}, trying again in 60 seconds: ")


@pytest.mark.parametrize(
    "words",
    [
        ["-wx"],
        ["-wud"],
        ["-w", ""],
        ["-wu", "-T", "x"],
        ["-wu", "-T1s"],
        ["-wu", "-T", ""],
    ],
    ids=str,
)
def test_wait_misuse_sends_nothing(tools: Path, words: list[str]) -> None:
    assert svc(tools, "-d", *words, "s") == (100, USAGE)


@pytest.mark.parametrize("letter", ["w", "T"])
def test_wait_option_without_its_word_is_illegal_as_ever(
    tools: Path, letter: str
) -> None:
    status, errors = svc(tools, f"-{letter}")
    assert status == 100
    assert errors.startswith(
        f"svc: illegal option -- {letter}\nsvc options: u up".encode()
    )


def test_wait_for_nothing_is_over(tools: Path) -> None:
    assert svc(tools, "-u", "-wu") == (0, b"")
