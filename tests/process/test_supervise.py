"""supervise as a process: its files, its commands, its promises."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support import services
from tests.support.services import (
    is_down,
    is_up,
    lives,
    make_service,
    process_state,
    read_status,
    send,
    supervised,
)
from tests.support.until import until

SLEEPER = "exec sleep 1000"
TRAPPER = (
    'for s in HUP ALRM INT TERM; do trap "echo $s >>got" $s; done\n'
    "echo ready >>got\nwhile :; do sleep 1 & wait; done"
)


@pytest.fixture
def program(tmp_path: Path) -> str:
    return str(services.install(tmp_path / "bin") / "supervise")


def mode(path: Path) -> int:
    return path.lstat().st_mode


def test_supervise_files_have_the_originals_types_and_modes(
    tmp_path: Path, program: str
) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    old = os.umask(0o022)
    try:
        with supervised(service, program):
            until(lambda: is_up(service))
            kept = service / "supervise"
            assert mode(kept) == stat.S_IFDIR | 0o700
            assert mode(kept / "lock") == stat.S_IFREG | 0o600
            assert mode(kept / "control") == stat.S_IFIFO | 0o600
            assert mode(kept / "ok") == stat.S_IFIFO | 0o600
            assert mode(kept / "status") == stat.S_IFREG | 0o644
            assert sorted(os.listdir(kept)) == [
                "control",
                "last",
                "lock",
                "ok",
                "status",
            ]
            with open(kept / "lock") as lock, pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.umask(old)


def test_supervise_running_service_status_names_pid_time_and_want(
    tmp_path: Path, program: str
) -> None:
    service = make_service(tmp_path / "s", "echo $$ >pid; " + SLEEPER)
    before = int(time.time())
    with supervised(service, program):
        until(lambda: is_up(service) and (service / "pid").read_text())
        status = read_status(service)
        assert before <= status.seconds <= time.time()
        assert 0 <= status.nanoseconds < 10**9
        assert status.pid == int((service / "pid").read_text())
        assert (status.paused, status.want) == (0, b"u")


def test_supervise_down_file_does_not_start_until_up(
    tmp_path: Path, program: str
) -> None:
    service = make_service(tmp_path / "s", SLEEPER, down=True)
    with supervised(service, program):
        assert is_down(service)
        assert read_status(service).want == b"d"
        send(service, b"u")
        until(lambda: is_up(service))
        assert read_status(service).want == b"u"


def test_supervise_ended_service_starts_again_after_a_second(
    tmp_path: Path, program: str
) -> None:
    # When the kernel made the process: what it does itself may come late.
    service = make_service(tmp_path / "s", "cut -d' ' -f22 /proc/$$/stat >>starts")
    starts = service / "starts"
    with supervised(service, program):
        until(lambda: len(starts.read_text().split()) >= 3)
        ticks = [int(word) for word in starts.read_text().split()]
        second = os.sysconf("SC_CLK_TCK")
        assert all(b - a > 0.9 * second for a, b in pairwise(ticks))


def test_supervise_once_runs_once(tmp_path: Path, program: str) -> None:
    service = make_service(tmp_path / "s", "echo x >>starts", down=True)
    with supervised(service, program):
        send(service, b"o")
        until(lambda: lives(service) == ["start 1", "exit 0"] and is_down(service))
        assert read_status(service).want == b"\0"
        send(service, b"o")
        until(lambda: (service / "starts").read_text() == "x\nx\n")
        until(lambda: is_down(service))


def test_supervise_down_terminates_and_stays_down(tmp_path: Path, program: str) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    with supervised(service, program):
        until(lambda: is_up(service))
        send(service, b"d")
        until(lambda: is_down(service))
        assert read_status(service).want == b"d"


@pytest.mark.parametrize(
    ("command", "signal"),
    [(b"h", "HUP"), (b"a", "ALRM"), (b"i", "INT"), (b"t", "TERM")],
    ids=["h", "a", "i", "t"],
)
def test_supervise_signal_command_reaches_the_service(
    tmp_path: Path, program: str, command: bytes, signal: str
) -> None:
    service = make_service(tmp_path / "s", TRAPPER)
    with supervised(service, program):
        until(lambda: (service / "got").exists())
        send(service, command)
        until(lambda: (service / "got").read_text().split() == ["ready", signal])


def test_supervise_kill_ends_what_ignores_term(tmp_path: Path, program: str) -> None:
    service = make_service(tmp_path / "s", "trap '' TERM\necho >r\n" + SLEEPER)
    with supervised(service, program):
        until(lambda: (service / "r").exists() and is_up(service))
        pid = read_status(service).pid
        send(service, b"dk")
        until(lambda: is_down(service))
        assert process_state(pid) == ""


def test_supervise_pause_and_continue_stop_and_say_so(
    tmp_path: Path, program: str
) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    with supervised(service, program):
        until(lambda: is_up(service))
        pid = read_status(service).pid
        send(service, b"p")
        until(lambda: process_state(pid) == "T")
        assert read_status(service).paused == 1
        send(service, b"c")
        until(lambda: process_state(pid) == "S")
        assert read_status(service).paused == 0


def test_supervise_down_on_paused_service_ends_it(tmp_path: Path, program: str) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    with supervised(service, program):
        until(lambda: is_up(service))
        send(service, b"pd")
        until(lambda: is_down(service))


def test_supervise_exit_leaves_with_0_when_the_service_ended(
    tmp_path: Path, program: str
) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    with supervised(service, program) as process:
        until(lambda: is_up(service))
        send(service, b"x")
        until(lambda: is_up(service))
        assert process.poll() is None
        send(service, b"t")
        assert process.wait(20) == 0
        assert is_down(service)


def test_supervise_unknown_commands_are_ignored(tmp_path: Path, program: str) -> None:
    service = make_service(tmp_path / "s", SLEEPER, down=True)
    with supervised(service, program) as process:
        send(service, b"zZ\0\nx")
        assert process.wait(20) == 0


def test_supervise_second_copy_is_refused(tmp_path: Path, program: str) -> None:
    service = make_service(tmp_path / "s", SLEEPER, down=True)
    with supervised(service, program):
        second = subprocess.run(
            [program, "s"], cwd=tmp_path, capture_output=True, timeout=20
        )
        assert second.returncode == 111
        assert second.stderr.startswith(
            b"supervise: fatal: unable to acquire s/supervise/lock: "
        )


def test_supervise_killed_leaves_the_service_and_frees_the_lock(
    tmp_path: Path, program: str
) -> None:
    service = make_service(tmp_path / "s", SLEEPER)
    with supervised(service, program) as process:
        until(lambda: is_up(service))
        pid = read_status(service).pid
        process.kill()
        process.wait(20)
        try:
            until(lambda: process_state(pid) == "S")
            # The service holds no descriptor of its supervise, so the next one comes up.
            with supervised(service, program):
                until(lambda: read_status(service).pid != pid and is_up(service))
        finally:
            os.kill(pid, 9)


def test_supervise_missing_run_says_so_and_goes_on(
    tmp_path: Path, program: str
) -> None:
    service = make_service(tmp_path / "s", None)
    line = "supervise: fatal: unable to start s/run: file does not exist\n"
    with supervised(service, program, name="s") as process:
        errors = services.errors_of(service)
        until(lambda: errors.read_text().count("\n") >= 2)
        assert errors.read_text().startswith(2 * line)
        assert process.poll() is None


def test_supervise_lost_stderr_does_not_end_it(tmp_path: Path, program: str) -> None:
    service = make_service(tmp_path / "s", "echo >started; " + SLEEPER, down=True)
    with supervised(service, ["sh", "-c", '"$@" 2>&1 | :', "sh", program]):
        # The status cannot be written any more: a warning to nobody.
        (service / "supervise/status.new").mkdir()
        send(service, b"u")
        until(lambda: (service / "started").exists())
        (service / "supervise/status.new").rmdir()
        # What changes nothing is announced all the same.
        send(service, b"c")
        until(lambda: is_up(service))
        send(service, b"d")
        until(lambda: is_down(service))


def test_supervise_service_inherits_environment_and_standard_descriptors_only(
    tmp_path: Path, program: str
) -> None:
    run = "ls -l /proc/$$/fd >fds; env >env; " + SLEEPER
    service = make_service(tmp_path / "s", run)
    os.environ["PYQMAIL_SEEN"] = "yes"
    try:
        with supervised(service, program):
            until(lambda: (service / "env").exists() and is_up(service))
            proc = Path(f"/proc/{read_status(service).pid}")
            until(lambda: (proc / "comm").read_text() == "sleep\n")
            lines = (proc / "status").read_text().splitlines()
    finally:
        del os.environ["PYQMAIL_SEEN"]
    text = (service / "fds").read_text()
    assert "supervise/" not in text
    assert "PYQMAIL_SEEN=yes\n" in (service / "env").read_text()
    signals = dict(line.split(":\t") for line in lines if line.startswith("Sig"))
    assert int(signals["SigBlk"], 16) == 0
    # 32 and 33 are the C library's own: whoever starts the tests decides about them.
    assert int(signals["SigIgn"], 16) & ~(3 << 31) == 0


def test_supervise_dangling_link_makes_its_target(tmp_path: Path, program: str) -> None:
    service = make_service(tmp_path / "s", SLEEPER, down=True)
    (service / "supervise").symlink_to(tmp_path / "run-s")
    with supervised(service, program):
        assert mode(tmp_path / "run-s") == stat.S_IFDIR | 0o700
        assert is_down(service)


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ([], 100, b"supervise: usage: supervise dir\n"),
        (["a", "b"], 100, b"supervise: usage: supervise dir\n"),
        (
            ["none"],
            111,
            b"supervise: fatal: unable to chdir to none: file does not exist\n",
        ),
    ],
    ids=["none", "two", "missing"],
)
def test_supervise_bad_arguments_are_refused(
    tmp_path: Path, program: str, arguments: list[str], status: int, text: bytes
) -> None:
    result = subprocess.run(
        [program, *arguments], cwd=tmp_path, capture_output=True, timeout=20
    )
    assert (result.returncode, result.stderr) == (status, text)
