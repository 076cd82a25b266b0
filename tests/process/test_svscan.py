"""svscan and svscanboot as processes: which supervises there are, and how."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pytools.commands import svscanboot
from pytools.supervision.scanner import INTERVAL_SECONDS
from tests.support import launchers, services
from tests.support.services import (
    children,
    command_line,
    end_service,
    is_down,
    is_up,
    make_service,
    process_state,
    read_status,
)
from tests.support.until import until

SLEEPER = "exec sleep 1000"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    return services.install(tmp_path / "bin")


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    directory = tmp_path / "service"
    directory.mkdir()
    return directory


@contextmanager
def scanned(
    scan: Path,
    programs: Path,
    *,
    chdir: bool = False,
    stderr: int = subprocess.DEVNULL,
    limit: str = ":",
    orderly: bool = False,
    **environment: str,
) -> Iterator[subprocess.Popen[bytes]]:
    """An svscan of ``scan``; at the end it and all its supervises are gone.

    ``limit``: a shell command that is to be carried out before. ``orderly``: TERM
    takes everything down.
    """
    command = [str(programs / "svscan"), *(["-t", "15"] if orderly else [])]
    command += [] if chdir else [str(scan)]
    command = ["sh", "-c", f'{limit}; exec "$@"', "sh", *command]
    process = subprocess.Popen(
        command,
        cwd=scan if chdir else None,
        env={"PATH": f"{programs}:/usr/bin:/bin", **environment},
        stdin=subprocess.DEVNULL,
        stderr=stderr,
    )
    try:
        yield process
    finally:
        left = []
        if process.poll() is None:
            # Stopped, it starts none that is not in the list.
            process.send_signal(signal.SIGSTOP)
            until(lambda: process_state(process.pid) in ("T", "Z"))
            left = children(process.pid)
        process.kill()
        process.wait(20)
        until(lambda: are_ended(scan, left))


def are_ended(scan: Path, pids: list[int]) -> bool:
    """Tell those supervises, and all that answer below ``scan``, to end; are they?"""
    for ok in scan.rglob("supervise/ok"):
        end_service(ok.parent.parent)
    # One that has only just begun, or whose directory lies elsewhere.
    for pid in pids:
        end_service(Path(f"/proc/{pid}/cwd"))
    return not any(map(answers, scan.rglob("supervise/ok"))) and all(
        process_state(pid) in ("", "Z") for pid in pids
    )


def answers(ok: Path) -> bool:
    with suppress(OSError):
        os.close(os.open(ok, os.O_WRONLY | os.O_NONBLOCK))
        return True
    return False


def argument_memory(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[45])


def supervises(pid: int) -> dict[bytes, int]:
    return {command_line(child): child for child in children(pid)}


def test_svscan_every_directory_gets_a_supervise(scan: Path, programs: Path) -> None:
    one = make_service(scan / "one", SLEEPER)
    two = make_service(scan / "two", SLEEPER)
    make_service(scan / ".hidden", SLEEPER)
    (scan / "file").touch()
    with scanned(scan, programs) as svscan:
        until(lambda: is_up(one) and is_up(two))
        assert set(supervises(svscan.pid)) == {b"supervise one", b"supervise two"}
        assert not (scan / ".hidden/supervise").exists()


def test_svscan_without_argument_scans_the_current_directory(
    scan: Path, programs: Path
) -> None:
    service = make_service(scan / "s", SLEEPER)
    with scanned(scan, programs, chdir=True):
        until(lambda: is_up(service))


def test_svscan_forks_supervise_without_exec(scan: Path, programs: Path) -> None:
    service = make_service(scan / "s", SLEEPER)
    with scanned(scan, programs) as svscan:
        until(lambda: is_up(service))
        (child,) = children(svscan.pid)
        # An exec would have placed the arguments elsewhere.
        assert argument_memory(child) == argument_memory(svscan.pid)
        assert Path(f"/proc/{child}/comm").read_text() == "supervise\n"


def test_svscan_told_to_exec_execs(scan: Path, programs: Path) -> None:
    service = make_service(scan / "s", SLEEPER)
    with scanned(scan, programs, PYQMAIL_EXEC="1") as svscan:
        until(lambda: is_up(service))
        (child,) = children(svscan.pid)
        assert argument_memory(child) != argument_memory(svscan.pid)


def test_svscan_foreign_supervise_is_run(scan: Path, programs: Path) -> None:
    make_service(scan / "s")
    (programs / "supervise").unlink()
    (programs / "supervise").write_text('#!/bin/sh\necho "$@" >ran; exec sleep 1000\n')
    (programs / "supervise").chmod(0o755)
    with scanned(scan, programs) as svscan:
        until(lambda: (scan / "ran").exists() and (scan / "ran").read_text() == "s\n")
        (child,) = children(svscan.pid)
        # First svscan, which would start another.
        svscan.kill()
        svscan.wait(20)
        os.kill(child, signal.SIGKILL)


def test_svscan_log_reads_what_the_service_writes(scan: Path, programs: Path) -> None:
    service = make_service(scan / "s", "echo out of $PWD; " + SLEEPER)
    log = make_service(service / "log", "exec cat >>lines")
    with scanned(scan, programs) as svscan:
        lines = log / "lines"
        until(lambda: lines.exists() and lines.read_text() == f"out of {service}\n")
        until(lambda: set(supervises(svscan.pid)) == {b"supervise s", b"supervise log"})


def test_svscan_pipe_survives_both_ends(scan: Path, programs: Path) -> None:
    service = make_service(scan / "s", "cat fifo; " + SLEEPER)
    os.mkfifo(service / "fifo")
    log = make_service(service / "log", "read line; echo $line >>lines", down=True)
    with scanned(scan, programs):
        until(lambda: is_up(service) and is_down(log))
        with open(service / "fifo", "w") as writer:
            writer.write("first\nsecond\n")
        # Nobody reads yet; the service is gone before anybody does.
        services.send(service, b"d")
        until(lambda: is_down(service))
        services.send(log, b"u")
        # ``read`` takes one line a byte at a time, so the second is for the next log.
        until(
            lambda: (
                (log / "lines").exists()
                and (log / "lines").read_text() == "first\nsecond\n"
            )
        )


def test_svscan_dead_supervise_comes_back_only_if_listed(
    scan: Path, programs: Path
) -> None:
    stays = make_service(scan / "stays", SLEEPER, down=True)
    goes = make_service(scan.parent / "goes", SLEEPER, down=True)
    (scan / "goes").symlink_to(goes)
    with scanned(scan, programs) as svscan:
        until(lambda: is_down(stays) and is_down(goes))
        until(lambda: len(supervises(svscan.pid)) == 2)
        (scan / "goes").unlink()
        before = supervises(svscan.pid)
        services.send(goes, b"x")
        until(lambda: set(supervises(svscan.pid)) == {b"supervise stays"})
        # The pass that finds this one missing would find the other missing, too.
        services.send(stays, b"x")
        until(
            lambda: (
                supervises(svscan.pid).get(b"supervise stays", 0)
                not in (0, before[b"supervise stays"])
            )
        )
        assert set(supervises(svscan.pid)) == {b"supervise stays"}


def test_svscan_two_names_of_one_directory_are_one_service(
    scan: Path, programs: Path
) -> None:
    service = make_service(scan / "a", SLEEPER)
    (scan / "b").symlink_to("a")
    with scanned(scan, programs) as svscan:
        until(lambda: is_up(service))
        assert len(children(svscan.pid)) == 1


def test_svscan_supervise_holds_no_pipe_of_another_service(
    scan: Path, programs: Path
) -> None:
    logged = make_service(scan / "logged", SLEEPER)
    make_service(logged / "log", SLEEPER)
    plain = make_service(scan / "plain", SLEEPER)
    with scanned(scan, programs) as svscan:
        until(lambda: is_up(plain) and is_up(logged / "log"))
        pid = supervises(svscan.pid)[b"supervise plain"]
        held = [os.readlink(f) for f in Path(f"/proc/{pid}/fd").iterdir()]
        own = os.readlink(f"/proc/{svscan.pid}/fd/2")
        pipes = {name for name in held if name.startswith("pipe:")} - {own}
        # Its own signal pipe, whose two ends have one name.
        assert len(pipes) == 1
        service = read_status(plain).pid
        # The status is there before the child has become the program.
        until(lambda: sorted(os.listdir(f"/proc/{service}/fd")) == ["0", "1", "2"])


def test_svscan_missing_directory_is_fatal(tmp_path: Path, programs: Path) -> None:
    result = subprocess.run(
        [str(programs / "svscan"), "none"],
        cwd=tmp_path,
        capture_output=True,
        timeout=20,
    )
    assert result.returncode == 111
    assert result.stderr == (
        b"svscan: fatal: unable to chdir to none: file does not exist\n"
    )


def test_svscan_reader_of_warnings_gone_stays(scan: Path, programs: Path) -> None:
    (scan / "loop").symlink_to("loop")
    with scanned(scan, programs, stderr=subprocess.PIPE) as svscan:
        assert svscan.stderr is not None
        with svscan.stderr as warnings:
            assert warnings.readline() == (
                b"svscan: warning: unable to stat loop: symbolic link loop\n"
            )
        # The next pass warns into the void, and the one after finds the new service.
        service = make_service(scan / "s", SLEEPER)
        until(lambda: is_up(service))
        assert svscan.poll() is None


def test_svscan_adopted_orphans_are_reaped(
    scan: Path, programs: Path, as_root: None
) -> None:
    run = "(sh -c 'echo $$ >../orphan; sleep 0' &) ; " + SLEEPER
    service = make_service(scan / "s", run)
    process = subprocess.Popen(
        ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"]
        + [str(programs / "svscan"), str(scan)],
        env={"PATH": f"{programs}:/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
    )
    try:
        until(lambda: (scan / "orphan").exists())
        until(lambda: len(children(process.pid)) == 1)
        (init,) = children(process.pid)

        def only_supervise() -> bool:
            return set(supervises(init)) == {b"supervise s"}

        until(only_supervise)
        until(lambda: services.process_state(init) == "S")
    finally:
        process.kill()
        process.wait(20)
    assert (service / "supervise/status").exists()


# In a mount namespace our programs are what its fixed PATH finds.
BOOT = """
for d in /command /usr/local/bin
do test ! -d $d || mount --bind $1 $d
done
cd / && exec /usr/local/bin/svscanboot $2
"""


def shown_by_child(pid: int) -> bytes:
    """The command line of the readproctitle that is a child of ``pid``."""
    lines = [command_line(child) for child in children(pid)]
    return b"".join(line for line in lines if line.startswith(b"readproctitle"))


@pytest.mark.parametrize("namespace", [[], ["--pid", "--fork", "--mount-proc"]])
def test_svscanboot_runs_svscan_and_shows_its_messages(
    scan: Path, programs: Path, as_root: None, namespace: list[str]
) -> None:
    run = "ls -l /proc/$$/fd >fds; env >env; " + SLEEPER
    service = make_service(scan / "s", run)
    (scan / "loop").symlink_to("loop")
    script = ["sh", "-c", BOOT, "sh", str(programs), str(scan)]
    process = subprocess.Popen(
        ["unshare", "--mount", *namespace, "--kill-child", *script]
        if namespace
        else ["unshare", "--mount", *script],
        stdin=subprocess.DEVNULL,
    )
    try:
        until(lambda: (service / "env").exists() and (service / "env").stat().st_size)
        # As process 1, or as what init started: svscan is that very process.
        (pid,) = children(process.pid) if namespace else (process.pid,)
        text = b""

        def is_shown() -> bool:
            nonlocal text
            text = shown_by_child(pid)
            return b"symbolic link loop" in text

        until(is_shown)
        assert text.startswith(b"readproctitle service errors: ...")
        assert len(text) >= len("readproctitle service errors: ") + 399
        assert command_line(pid) == b"svscan %b" % os.fsencode(scan)
        assert len(children(pid)) == 2
        environment = (service / "env").read_text()
        assert "PATH=/command:/usr/local/bin:" in environment
        assert "HOME=" not in environment
        fds = (service / "fds").read_text()
        assert "0 -> /dev/null" in fds
        assert "1 -> pipe:" in fds
    finally:
        process.kill()
        process.wait(20)
        end_service(service)
        until(lambda: not answers(service / "supervise/ok"))


def test_svscanboot_stops_what_an_earlier_svscan_left(
    scan: Path, programs: Path
) -> None:
    service = make_service(scan / "s", SLEEPER)
    log = make_service(service / "log", SLEEPER)
    supervise = str(programs / "supervise")
    with (
        services.supervised(service, supervise) as one,
        services.supervised(log, supervise) as two,
    ):
        until(lambda: is_up(service) and is_up(log))
        svscanboot.stop_leftovers(os.fsencode(scan))
        assert (one.wait(20), two.wait(20)) == (0, 0)
    assert is_down(service)
    assert is_down(log)


def test_svscanboot_without_scan_directory_stops_nothing(tmp_path: Path) -> None:
    svscanboot.stop_leftovers(bytes(tmp_path / "none"))
    assert list(tmp_path.iterdir()) == []


def test_svscanboot_k_keeps_what_an_earlier_svscan_left(
    scan: Path, programs: Path, as_root: None
) -> None:
    service = make_service(scan / "s", SLEEPER)
    with services.supervised(service, str(programs / "supervise")):
        until(lambda: is_up(service))
        before = (service / "supervise/status").read_bytes()
        script = ["sh", "-c", BOOT, "sh", str(programs), f"-k {scan}"]
        process = subprocess.Popen(
            ["unshare", "--mount", *script], stdin=subprocess.DEVNULL
        )
        try:
            until(
                lambda: (
                    b"s is supervised by another svscan's"
                    in shown_by_child(process.pid)
                )
            )
            # It has no child but readproctitle.
            assert len(children(process.pid)) == 1
            assert (service / "supervise/status").read_bytes() == before
            services.send(service, b"dx")
            until(lambda: b"supervise s" in supervises(process.pid) and is_up(service))
        finally:
            process.kill()
            process.wait(20)
            end_service(service)
            until(lambda: not answers(service / "supervise/ok"))


# Descriptors.


def make_logged(directory: Path, count: int) -> list[Path]:
    """Services with logs, all of them down."""
    made = [make_service(directory / f"s{n}", down=True) for n in range(count)]
    for service in made:
        make_service(service / "log", down=True)
    return made


def answering(made: list[Path]) -> list[Path]:
    """Those whose supervise, and that of the log, is there."""
    return [
        service
        for service in made
        if answers(service / "supervise/ok") and answers(service / "log/supervise/ok")
    ]


def room_for(limit: int) -> int:
    """How many services with logs fit: seven descriptors are svscan's own or free."""
    return (limit - 7) // 2


@pytest.mark.parametrize("limit", [18, 19])
def test_svscan_out_of_descriptors_goes_on(
    scan: Path, programs: Path, limit: int
) -> None:
    # Of two limits in a row one is used up to the last by pairs.
    made = make_logged(scan, 8)
    started = room_for(limit)
    with scanned(scan, programs, limit=f"ulimit -n {limit}") as svscan:
        until(lambda: len(answering(made)) == started)
        up = answering(made)
        before = children(svscan.pid)
        assert len(before) == 2 * started
        os.kill(before[0], signal.SIGKILL)
        until(
            lambda: (
                len(children(svscan.pid)) == 2 * started
                and before[0] not in children(svscan.pid)
            )
        )
        # What goes makes room for one that had to wait.
        until(lambda: answering(made) == up)
        gone = up[0].rename(scan / f".{up[0].name}")
        services.send(gone, b"dx")
        services.send(gone / "log", b"dx")
        until(lambda: len(answering(made)) == started)
        assert not answers(gone / "supervise/ok")


@pytest.mark.parametrize("limit", [18, 19])
def test_svscan_out_of_descriptors_takes_everything_down(
    scan: Path, programs: Path, limit: int
) -> None:
    made = make_logged(scan, 8)
    with scanned(scan, programs, limit=f"ulimit -n {limit}", orderly=True) as svscan:
        until(lambda: len(answering(made)) == room_for(limit))
        svscan.terminate()
        assert svscan.wait(20) == 0
        assert not answering(made)


@pytest.mark.parametrize("before", [":", "export PYQMAIL_EXEC=1"])
def test_svscan_takes_the_hard_limit_and_hands_on_the_soft_one(
    scan: Path, programs: Path, before: str
) -> None:
    made = make_logged(scan, 10)
    (scan / ".svscan").mkdir()
    hook = scan / ".svscan/finish"
    hook.write_text("#!/bin/sh\nulimit -n >limit; ulimit -Hn >>limit\n")
    hook.chmod(0o755)
    limit = f"{before}; ulimit -Sn 20; ulimit -Hn 100"
    with scanned(scan, programs, limit=limit, orderly=True) as svscan:
        until(lambda: len(answering(made)) == 10)
        assert {open_files(pid) for pid in children(svscan.pid)} == {("20", "100")}
        assert open_files(svscan.pid) == ("100", "100")
        svscan.terminate()
        assert svscan.wait(20) == 0
    assert (scan / "limit").read_text() == "20\n100\n"


def open_files(pid: int) -> tuple[str, ...]:
    """Soft and hard limit of a process."""
    for line in Path(f"/proc/{pid}/limits").read_text().splitlines():
        if line.startswith("Max open files"):
            return tuple(line.split()[3:5])
    raise AssertionError("no limit")


# Noticed at once, without a pass.


@pytest.fixture
def hourly(programs: Path) -> None:
    """Have svscan's passes an hour apart."""
    launchers.begin_with(
        programs / "svscan",
        "from pytools.commands import svscan",
        "svscan.INTERVAL_SECONDS = 3600.0",
    )


def test_svscan_new_link_is_up_before_the_next_pass(
    scan: Path, programs: Path, hourly: None
) -> None:
    first = make_service(scan / "first", SLEEPER)
    target = make_service(scan.parent / "target", SLEEPER)
    with scanned(scan, programs):
        until(lambda: is_up(first))
        (scan / "new").symlink_to(target)
        until(lambda: is_up(target))


def test_svscan_supervise_that_ended_is_replaced_before_the_next_pass(
    scan: Path, programs: Path, hourly: None
) -> None:
    old = make_service(scan / "old", SLEEPER, down=True)
    with scanned(scan, programs) as svscan:
        until(lambda: answers(old / "supervise/ok"))
        (before,) = children(svscan.pid)
        # It must have lived for five seconds to be trusted: make that true.
        until(lambda: age(before) > INTERVAL_SECONDS + 0.1)
        services.send(old, b"x")
        until(lambda: children(svscan.pid) not in ([], [before]))


def age(pid: int) -> float:
    """Seconds since the process was started."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf(
        "SC_CLK_TCK"
    )


# The orderly end.

UNHURRIED = ("-t", "15")
"""Time for everybody: it ends as soon as they have ended."""
TERM_PROOF = "trap '' TERM; while :; do sleep 1000; done"
LOGGER = "sleep 0.5; exec cat >>lines"


@contextmanager
def first_process(
    scan: Path, programs: Path, *arguments: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """An svscan that is process 1: the unshare above it, and its pid out here."""
    process = subprocess.Popen(
        ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"]
        + [str(programs / "svscan"), *arguments, str(scan)],
        env={"PATH": f"{programs}:/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        until(lambda: children(process.pid))
        yield process, children(process.pid)[0]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGPWR])
def test_svscan_as_process_1_takes_everything_down_and_exits_0(
    scan: Path, programs: Path, as_root: None, number: int
) -> None:
    run = "trap 'echo last; exit' TERM; echo up; while :; do sleep 0.1; done"
    service = make_service(scan / "s", run)
    log = make_service(service / "log", LOGGER)
    with first_process(scan, programs, *UNHURRIED) as (process, init):
        lines = log / "lines"
        until(lambda: lines.exists() and lines.read_text() == "up\n")
        os.kill(init, number)
        assert process.wait(20) == 0
    assert lines.read_text() == "up\nlast\n"


def test_svscan_as_process_1_logs_read_all_that_is_in_the_pipe(
    scan: Path, programs: Path, as_root: None
) -> None:
    # 60,000 bytes wait in the pipe, for a logger that is slow to begin.
    run = "head -c 60000 /dev/zero; echo >full; " + SLEEPER
    service = make_service(scan / "s", run)
    wait = "while test ! -e gate; do sleep 0.02; done"
    log = make_service(service / "log", f"{wait}; exec cat >>lines")
    with first_process(scan, programs, *UNHURRIED) as (process, init):
        until(lambda: (service / "full").exists() and is_started(log))
        os.kill(init, signal.SIGTERM)
        until(lambda: b"supervise s" not in supervises(init))
        (log / "gate").touch()
        assert process.wait(20) == 0
    assert (log / "lines").stat().st_size == 60000


def is_started(service: Path) -> bool:
    with suppress(OSError, AssertionError):
        return read_status(service).pid != 0
    return False


def test_svscan_as_process_1_ends_orphans_and_kills_what_will_not_end(
    scan: Path, programs: Path, as_root: None
) -> None:
    orphan = "(trap 'echo ended >../orphan; exit' TERM; while :; do sleep 0.1; done) &"
    stubborn = make_service(scan / "s", f"{orphan}\necho >started; {TERM_PROOF}")
    # The orphan holds its pipe.
    log = make_service(stubborn / "log", LOGGER)
    # In the half second that it has, the orphan may not have run at all.
    launchers.begin_with(
        programs / "svscan",
        "from pytools.supervision import shutdown",
        "shutdown.LOG_SECONDS = shutdown.LAST_SECONDS = 7.0",
    )
    with first_process(scan, programs, "-t", "1") as (process, init):
        until(lambda: (stubborn / "started").exists() and is_started(log))
        os.kill(init, signal.SIGTERM)
        assert process.wait(20) == 0
    assert (scan / "orphan").read_text() == "ended\n"


def test_svscan_as_process_1_becomes_the_hook(
    scan: Path, programs: Path, as_root: None
) -> None:
    service = make_service(scan / "s", SLEEPER)
    (scan / ".svscan").mkdir()
    hook = scan / ".svscan/finish"
    hook.write_text('#!/bin/sh\necho "$$ $*" >hooked; exit 7\n')
    hook.chmod(0o755)
    with first_process(scan, programs) as (process, init):
        until(lambda: is_started(service))
        os.kill(init, signal.SIGPWR)
        assert process.wait(20) == 7
    assert (scan / "hooked").read_text() == "1 pwr\n"


def test_svscan_as_process_1_looks_at_once_on_hup(
    scan: Path, programs: Path, as_root: None, hourly: None
) -> None:
    first = make_service(scan / "first", SLEEPER)
    with first_process(scan, programs) as (_, init):
        until(lambda: is_started(first))
        # Too new for a look because of it.
        second = make_service(scan / "second", SLEEPER)
        os.kill(init, signal.SIGHUP)
        until(lambda: is_started(second))


def test_svscan_told_to_end_orderly_does(scan: Path, programs: Path) -> None:
    service = make_service(scan / "s", "echo begun; " + SLEEPER)
    log = make_service(service / "log", "exec cat >>lines")
    process = subprocess.Popen(
        [str(programs / "svscan"), *UNHURRIED, str(scan)],
        env={"PATH": f"{programs}:/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
    )
    try:
        lines = log / "lines"
        until(lambda: is_started(service) and lines.read_text() == "begun\n")
        # Its entry is gone, it is taken down all the same.
        scan.joinpath("s").rename(scan / ".s")
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait(20)
    assert not answers(scan / ".s/supervise/ok")
    assert not answers(scan / ".s/log/supervise/ok")
    assert (scan / ".s/log/lines").read_text() == "begun\n"


def test_svscan_term_without_t_leaves_the_services(scan: Path, programs: Path) -> None:
    service = make_service(scan / "s", SLEEPER)
    with scanned(scan, programs) as svscan:
        until(lambda: is_up(service))
        svscan.terminate()
        assert svscan.wait(20) == -signal.SIGTERM
        assert is_up(service)


@pytest.mark.parametrize("seconds", ["x", "", "5s", "-1"])
def test_svscan_bad_seconds_are_misuse(programs: Path, seconds: str) -> None:
    result = subprocess.run(
        [str(programs / "svscan"), "-t", seconds], capture_output=True, timeout=20
    )
    expected = b"svscan: usage: svscan [ -t seconds ] [ directory ]\n"
    assert (result.returncode, result.stderr) == (100, expected)


def test_svscanboot_as_process_1_ends_in_order(
    scan: Path, programs: Path, as_root: None
) -> None:
    service = make_service(scan / "s", SLEEPER)
    script = ["sh", "-c", BOOT, "sh", str(programs), str(scan)]
    namespace = ["--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    process = subprocess.Popen(
        ["unshare", *namespace, *script], stdin=subprocess.DEVNULL
    )
    try:
        until(lambda: is_started(service))
        (init,) = children(process.pid)
        os.kill(init, signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait(20)
