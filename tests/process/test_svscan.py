"""svscan and svscanboot as processes: which supervises there are, and how."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pytools.commands import svscanboot
from tests.support import services
from tests.support.services import (
    children,
    command_line,
    end_service,
    is_down,
    is_up,
    make_service,
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
    **environment: str,
) -> Iterator[subprocess.Popen[bytes]]:
    """An svscan of ``scan``; at the end it and all its supervises are gone."""
    command = [str(programs / "svscan"), *([] if chdir else [str(scan)])]
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
        process.kill()
        process.wait(20)
        for ok in scan.rglob("supervise/ok"):
            end_service(ok.parent.parent)
        until(lambda: not any(map(answers, scan.rglob("supervise/ok"))))


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
        until(lambda: b"symbolic link loop" in shown_by_child(pid))
        text = shown_by_child(pid)
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
            until(lambda: b"supervise s" in supervises(process.pid))
        finally:
            process.kill()
            process.wait(20)
            end_service(service)
            until(lambda: not answers(service / "supervise/ok"))
