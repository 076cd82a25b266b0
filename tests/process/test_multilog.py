"""multilog as a process: its files, its signals, its processor, its errors."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.until import until

Popen = subprocess.Popen[bytes]


class Running:
    """A multilog in a directory, fed through a pipe."""

    def __init__(self, python: list[str], cwd: Path) -> None:
        self.python = python
        self.cwd = cwd
        self.children: list[Popen] = []

    def start(self, *script: str) -> Popen:
        env = {**os.environ, "PYTHONPATH": os.getcwd()}
        child = subprocess.Popen(
            [*self.python, "multilog", *script],
            cwd=self.cwd,
            env=env,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.children.append(child)
        return child

    def run(self, data: bytes, *script: str) -> tuple[int, bytes]:
        child = self.start(*script)
        _, errors = child.communicate(data, timeout=60)
        return child.returncode, errors


@pytest.fixture
def multilog(python: list[str], tmp_path: Path) -> Iterator[Running]:
    running = Running(python, tmp_path)
    yield running
    for child in running.children:
        if child.poll() is None:
            child.kill()
        child.communicate(timeout=60)


def feed(child: Popen, data: bytes) -> None:
    assert child.stdin is not None
    child.stdin.write(data)
    child.stdin.flush()


def shelved(log: Path) -> list[Path]:
    return sorted(path for path in log.iterdir() if path.name.startswith("@"))


def whole(log: Path) -> bytes:
    return b"".join(content(path) for path in [*shelved(log), log / "current"])


def is_on_its_way(number: int, child: Popen) -> bool:
    """True until the process has taken the signal."""
    status = Path(f"/proc/{child.pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    pending = int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)
    return bool(pending & 1 << (number - 1))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def test_end_of_input_leaves_a_clean_log(multilog: Running, tmp_path: Path) -> None:
    assert multilog.run(b"one\ntwo", "./log") == (0, b"")
    log = tmp_path / "log"
    assert sorted(os.listdir(log)) == ["current", "lock", "state"]
    assert content(log / "current") == b"one\ntwo\n"
    assert [mode(log / n) for n in ("current", "state", "lock")] == [
        0o744,
        0o644,
        0o600,
    ]
    assert mode(log) == 0o700


def test_second_run_appends_to_a_clean_log(multilog: Running, tmp_path: Path) -> None:
    multilog.run(b"one\n", "./log")
    multilog.run(b"two\n", "./log")
    assert content(tmp_path / "log/current") == b"one\ntwo\n"
    assert shelved(tmp_path / "log") == []


def test_timestamp_labels_each_line(multilog: Running, tmp_path: Path) -> None:
    multilog.run(b"one\n\n", "t", "./log")
    first, second = content(tmp_path / "log/current").splitlines()
    assert (len(first), len(second)) == (29, 26)
    assert first < second
    assert first.startswith(b"@40000000")


def test_kill_then_start_shelves_current_as_unfinished(
    multilog: Running, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    child = multilog.start("./log")
    feed(child, b"one\n")
    until(lambda: content(log / "current") == b"one\n")
    assert mode(log / "current") == 0o644
    child.kill()
    child.wait(60)
    multilog.run(b"two\n", "./log")
    (old,) = shelved(log)
    assert old.name.endswith(".u")
    assert content(old) == b"one\n"
    assert content(log / "current") == b"two\n"


def test_full_log_is_rotated_and_old_ones_go(multilog: Running, tmp_path: Path) -> None:
    lines = [b"%05d" % n + b"x" * 94 + b"\n" for n in range(200)]
    multilog.run(b"".join(lines), "s4096", "n3", "./log")
    log = tmp_path / "log"
    old = shelved(log)
    assert len(old) == 2
    assert all(2096 <= path.stat().st_size <= 4096 for path in old)
    assert all(mode(path) == 0o744 and path.name.endswith(".s") for path in old)
    kept = b"".join(map(content, [*old, log / "current"]))
    assert b"".join(lines).endswith(kept)


def test_alarm_rotates_what_is_there(multilog: Running, tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = multilog.start("./log", "-*", "./empty")
    feed(child, b"one\n")
    until(lambda: content(log / "current") == b"one\n")
    child.send_signal(signal.SIGALRM)
    until(lambda: shelved(log) and content(log / "current") == b"")
    assert content(shelved(log)[0]) == b"one\n"
    child.send_signal(signal.SIGALRM)
    feed(child, b"two\n")
    # The line may be read before the signal; an empty log is not rotated either way.
    until(lambda: whole(log) == b"one\ntwo\n")
    assert all(content(path) for path in shelved(log))
    assert shelved(tmp_path / "empty") == []


def test_term_between_lines_ends_and_leaves_the_rest_unread(
    multilog: Running, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    child = multilog.start("./log")
    feed(child, b"one\ntw")
    until(lambda: content(log / "current") == b"one\n")
    child.send_signal(signal.SIGTERM)
    # Told after it was read, a line would be one of those before the signal.
    until(lambda: not is_on_its_way(signal.SIGTERM, child))
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.3)
    feed(child, b"o\nthree\n")
    assert child.wait(60) == 0
    assert content(log / "current") == b"one\ntwo\n"
    assert mode(log / "current") == 0o744


def test_processor_gets_its_descriptors_and_a_lasting_state(
    multilog: Running, tmp_path: Path
) -> None:
    command = (
        "!tr a-z A-Z; (cat <&4; echo ran) >&5; ls /proc/self/fd >../fds; pwd >../wd"
    )
    log = tmp_path / "log"
    child = multilog.start("s4096", command, "./log")
    for turn in (1, 2):
        feed(child, b"line\n")
        until(lambda: content(log / "current") == b"line\n")
        child.send_signal(signal.SIGALRM)
        until(lambda turn=turn: len(shelved(log)) == turn)  # type: ignore[misc]
    until(lambda: not (log / "processed").exists())
    assert [content(path) for path in shelved(log)] == [b"LINE\n", b"LINE\n"]
    assert [mode(path) for path in shelved(log)] == [0o744, 0o744]
    assert content(log / "state") == b"ran\nran\n"
    assert not (log / "previous").exists()
    assert content(tmp_path / "wd").decode().strip() == str(log)
    # 3 is the directory that ls reads; 6 or more would be one of multilog's own.
    assert content(tmp_path / "fds").split() == [b"0", b"1", b"2", b"3", b"4", b"5"]


def test_processor_succeeds_once_where_its_status_would_be_lost(
    multilog: Running, tmp_path: Path
) -> None:
    """Whoever started it ignores SIGCHLD."""
    ignoring = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
    command = [
        sys.executable,
        "-c",
        f"{ignoring}; os.execvp(sys.argv[1], sys.argv[1:])",
    ]
    multilog.python = [*command, *multilog.python]
    lines = b"y" * 99 + b"\n"
    processor = "!cat; grep SigIgn /proc/self/status >>runs"
    assert multilog.run(lines * 41, "s4096", processor, "./log") == (0, b"")
    assert whole(tmp_path / "log") == lines * 41
    (run,) = content(tmp_path / "log/runs").splitlines()
    assert not int(run.split()[1], 16) & 1 << (signal.SIGCHLD - 1)


def test_processor_that_fails_is_reported_and_nothing_is_lost(
    multilog: Running, tmp_path: Path
) -> None:
    child = multilog.start("!exit 3", "./log")
    feed(child, b"one\n")
    until(lambda: content(tmp_path / "log/current") == b"one\n")
    child.send_signal(signal.SIGALRM)
    assert child.stderr is not None
    line = child.stderr.readline()
    assert line == b"multilog: warning: processor failed in ./log, pausing\n"
    child.kill()
    child.wait(60)
    multilog.run(b"", "./log")
    assert [content(path) for path in shelved(tmp_path / "log")] == [b"one\n", b""]


def test_alert_and_status_follow_the_selection(
    multilog: Running, tmp_path: Path
) -> None:
    status, errors = multilog.run(b"a\nbad\nc\n", "-bad", "=st", "-*", "+bad", "e")
    assert (status, errors) == (0, b"bad\n")
    assert content(tmp_path / "st") == b"c" + b"\n" * 1000


def test_locked_directory_is_111(multilog: Running, tmp_path: Path) -> None:
    child = multilog.start("./log")
    until((tmp_path / "log/current").exists)
    assert multilog.run(b"", "./log") == (
        111,
        b"multilog: fatal: unable to lock directory ./log: temporary failure\n",
    )
    assert child.poll() is None


def test_directory_that_is_a_file_is_111(multilog: Running, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"")
    assert multilog.run(b"", "./log") == (
        111,
        b"multilog: fatal: unable to open directory ./log: not a directory\n",
    )


def test_hard_linked_previous_is_not_shelved_again(
    multilog: Running, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.mkdir()
    (log / "previous").write_bytes(b"old\n")
    os.link(log / "previous", log / ("@" + "4" * 24 + ".s"))
    multilog.run(b"", "./log")
    assert [content(path) for path in shelved(log)] == [b"old\n"]
    assert not (log / "previous").exists()


def test_renamed_directory_stays_the_log(multilog: Running, tmp_path: Path) -> None:
    child = multilog.start("./log")
    feed(child, b"one\n")
    until(lambda: content(tmp_path / "log/current") == b"one\n")
    (tmp_path / "log").rename(tmp_path / "moved")
    child.send_signal(signal.SIGALRM)
    until(lambda: shelved(tmp_path / "moved"))
    feed(child, b"two\n")
    until(lambda: content(tmp_path / "moved/current") == b"two\n")
    assert not (tmp_path / "log").exists()


def test_idle_line_is_written_without_waiting_for_more(
    multilog: Running, tmp_path: Path
) -> None:
    child = multilog.start("./log")
    for number in range(3):
        feed(child, b"%d\n" % number)
        until(lambda n=number: content(tmp_path / "log/current").endswith(b"%d\n" % n))  # type: ignore[misc]
    assert content(tmp_path / "log/current") == b"0\n1\n2\n"


def test_no_descriptor_for_the_signals_is_111(
    multilog: Running, tmp_path: Path
) -> None:
    """Its first pipe is what it has no room for; the log is not touched."""
    multilog.python = ["prlimit", "--nofile=5", *multilog.python]
    status, errors = multilog.run(b"", "./log")
    assert (status, errors) == (
        111,
        b"multilog: fatal: unable to create pipe: process cannot open more files\n",
    )
    assert not (tmp_path / "log").exists()
