"""The small tools as processes: chains, descriptors, limits, exit codes."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.launchers import install
from tests.support.until import until

MEASURE = """
import resource, sys
for kind in ("AS", "DATA", "STACK", "MEMLOCK", "NOFILE"):
    print(kind, *resource.getrlimit(getattr(resource, "RLIMIT_" + kind)))
"""
BUDGET = 5_000_000
PROGRAMS = (
    *(b"envdir", b"envuidgid", b"multilog", b"setlock", b"setuidgid", b"softlimit"),
    *(b"tai64n", b"tai64nlocal"),
)


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    """Launchers, so that the programs know each other as their own."""
    return install(tmp_path / "bin", PROGRAMS, "/var/qmail")


def run(
    *command: str | Path, data: bytes = b"", env: dict[str, str] | None = None
) -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        [str(word) for word in command],
        input=data,
        capture_output=True,
        env=env,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def limits_of(*command: str | Path) -> dict[str, tuple[int, int]]:
    status, output, errors = run(*command, sys.executable, "-c", MEASURE)
    assert (status, errors) == (0, b"")
    words = [line.split() for line in output.decode().splitlines()]
    return {kind: (int(soft), int(hard)) for kind, soft, hard in words}


def test_softlimit_gives_a_foreign_program_the_plain_number(bin_dir: Path) -> None:
    size = 200_000_000
    before = limits_of()
    found = limits_of(bin_dir / "softlimit", "-m", str(size), "-o", "64")
    for kind in ("AS", "DATA", "STACK", "MEMLOCK"):
        hard = before[kind][1]
        expected = size if hard < 0 else min(size, hard)
        assert found[kind] == (expected, hard)
    assert found["NOFILE"] == (64, before["NOFILE"][1])


def test_softlimit_gives_a_chain_of_ours_its_own_size_beside(bin_dir: Path) -> None:
    status, output, _ = run(
        *(bin_dir / "softlimit", "-m", str(BUDGET), bin_dir / "envuidgid", "root"),
        *("/bin/sh", "-c", "ulimit -v; ulimit -d; ulimit -s; ulimit -l"),
    )
    size, data, stack, locked = (int(word) << 10 for word in output.split())
    assert status == 0
    assert 10_000_000 < size - BUDGET < 60_000_000
    assert 1_000_000 < data - BUDGET < 40_000_000
    assert BUDGET - 1024 < stack <= BUDGET
    assert BUDGET - 1024 < locked <= BUDGET


def test_softlimit_equals_sign_is_the_hard_limit(bin_dir: Path) -> None:
    hard = limits_of()["NOFILE"][1]
    found = limits_of(bin_dir / "softlimit", "-o64", bin_dir / "softlimit", "-o=")
    assert found["NOFILE"] == (hard, hard)


def test_program_of_ours_works_within_the_guides_limit(
    bin_dir: Path, tmp_path: Path
) -> None:
    lines = b"".join(b"%07d: a line of some length\n" % n for n in range(100_000))
    status, _, errors = run(
        *(bin_dir / "softlimit", "-m", str(BUDGET), bin_dir / "multilog"),
        *("t", "-*", "+*line*", "s16777215", str(tmp_path / "log")),
        data=lines,
    )
    assert (status, errors) == (0, b"")
    assert len((tmp_path / "log/current").read_bytes().splitlines()) == 100_000


def test_session_in_the_guides_limit_may_hold_and_copy_its_ceiling() -> None:
    session = f"""
import resource, posix
from pytools.base import limits
from pytools.commands import softlimit
from pytools.process import child
used = limits.usage()
for kind in softlimit.RESOURCES[b"m"]:
    softlimit.set_soft(kind, {BUDGET}, used)
def body():
    ceiling = limits.ceiling()
    assert 2_000_000 < ceiling < {BUDGET} // 2, ceiling
    held = bytearray()
    while len(held) < ceiling:
        held += b"x" * 1000
    copied = bytes(held)
    names = [b"recipient%d@example.org" % n for n in range(2000)]
    posix.write(1, b"%d %d" % (len(copied) >= ceiling, len(names)))
    return 0
raise SystemExit(child.wait_for(child.fork(body)))
"""
    assert run(sys.executable, "-c", session) == (0, b"1 2000", b"")


def test_ceiling_is_none_without_a_limit() -> None:
    code = "from pytools.base import limits; print(limits.ceiling(), limits.left())"
    unlimited = 'ulimit -S -v unlimited; ulimit -S -d unlimited; exec "$@"'
    status, output, _ = run("/bin/sh", "-c", unlimited, "-", sys.executable, "-c", code)
    assert (status, output) == (0, b"None None\n")


def test_setlock_holds_the_lock_for_the_program(bin_dir: Path, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    # The second program is one of ours: no exec lies between it and the lock.
    with subprocess.Popen(
        [bin_dir / "setlock", lock, bin_dir / "tai64n"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as holder:
        until(lambda: is_locked(lock))
        assert run(bin_dir / "setlock", "-n", lock, "true") == (
            111,
            b"",
            b"setlock: fatal: unable to lock %b: temporary failure\n"
            % os.fsencode(lock),
        )
        assert run(bin_dir / "setlock", "-nx", lock, "true") == (0, b"", b"")
        assert holder.stdin is not None
        holder.stdin.close()
    assert run(bin_dir / "setlock", "-n", lock, "echo", "ok") == (0, b"ok\n", b"")
    assert lock.stat().st_mode & 0o777 == 0o600


def is_locked(path: Path) -> bool:
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_envdir_changes_the_environment_of_the_program(
    bin_dir: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "env"
    directory.mkdir()
    (directory / "NEW").write_bytes(b"v\xff \nrest")
    (directory / "GONE").write_bytes(b"")
    (directory / "PATH").write_bytes(b"/nowhere")
    env = {"GONE": "1", "KEPT": "2", "PATH": os.environ["PATH"]}
    status, output, _ = run(bin_dir / "envdir", directory, "env", env=env)
    # The program itself is still looked up on the old $PATH.
    assert status == 0
    assert sorted(output.splitlines()) == [b"KEPT=2", b"NEW=v\xff", b"PATH=/nowhere"]


def test_envuidgid_sets_two_variables_and_nothing_else(bin_dir: Path) -> None:
    status, output, _ = run(bin_dir / "envuidgid", "root", "env", env={"A": "1"})
    assert status == 0
    assert sorted(output.splitlines()) == [b"A=1", b"GID=0", b"UID=0"]


@pytest.mark.usefixtures("as_root")
def test_setuidgid_leaves_exactly_one_group(bin_dir: Path) -> None:
    code = "import os; print(os.getresuid(), os.getresgid(), os.getgroups())"
    status, output, errors = run(
        "/bin/sh", "-c", f'exec {bin_dir}/setuidgid nobody python3 -c "$0"', code
    )
    assert (status, errors) == (0, b"")
    uid, gid = 65534, 65534
    assert output.decode().strip() == f"{(uid,) * 3} {(gid,) * 3} {[gid]}"


@pytest.mark.parametrize("name", ["setuidgid", "envuidgid"])
def test_unknown_account_is_111(bin_dir: Path, name: str) -> None:
    text = b"%b: fatal: unknown account no-such\n" % name.encode()
    assert run(bin_dir / name, "no-such", "true") == (111, b"", text)


def test_tai64n_and_tai64nlocal_undo_each_other(bin_dir: Path) -> None:
    status, labelled, _ = run(bin_dir / "tai64n", data=b"one\n\ntwo")
    assert status == 0
    assert [line[25:] for line in labelled.split(b"\n")] == [b" one", b" ", b" two"]
    status, text, _ = run(bin_dir / "tai64nlocal", data=labelled)
    assert status == 0
    assert [line[29:] for line in text.split(b"\n")] == [b" one", b" ", b" two"]


@pytest.mark.parametrize("name", ["tai64n", "tai64nlocal"])
def test_read_error_is_111(bin_dir: Path, name: str) -> None:
    with socket.socket() as unreadable:
        done = subprocess.run(
            [bin_dir / name],
            stdin=unreadable.fileno(),
            stdout=subprocess.PIPE,
            timeout=60,
        )
    assert done.returncode == 111


def test_splogger_sends_to_the_log_socket(tmp_path: Path) -> None:
    path = tmp_path / "log"
    code = f"""
from qmail.commands import splogger
splogger.DEV_LOG = {os.fsencode(path)!r}
raise SystemExit(splogger.main([b"splogger", b"qmail", b"16"]))
"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(path))
        assert run(sys.executable, "-c", code, data=b"alert: x\ny\n")[0] == 0
        first, second = log.recv(9999), log.recv(9999)
    assert first.startswith(b"<129>")
    assert first.endswith(b" alert: x")
    assert b" qmail: " in second
    assert second.startswith(b"<134>")


def test_splogger_without_anybody_listening_ends_well(tmp_path: Path) -> None:
    code = f"""
from qmail.commands import splogger
splogger.DEV_LOG = {os.fsencode(tmp_path / "none")!r}
raise SystemExit(splogger.main([b"splogger"]))
"""
    assert run(sys.executable, "-c", code, data=b"x\n") == (0, b"", b"")
