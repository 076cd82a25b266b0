"""qmail-queued and its workers, as real processes."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import select
import signal
import stat
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytools.base.exits import Strerr
from pytools.process import child
from qmail.commands.qmail_queued import serve
from qmail.control.ids import TRIAL_FILE
from qmail.queue import exitcodes, wire, worker
from qmail.queue.config import Config
from qmail.queue.exitcodes import verdict
from qmail.queue.inject import Submission
from tests.conftest import cannot_run
from tests.support.queuehome import (
    ALIAS,
    OTHER,
    QMAILD,
    QMAILS,
    ROOT,
    SERVER,
    USER,
    QueueHome,
    answer_on,
    as_user,
    become,
    connect,
    whole,
    workers,
)
from tests.support.until import until

REFUSED = {
    "address too long": (b"Fs\0T%b\0\0" % (b"x" * 1003), exitcodes.ADDRESS_TOO_LONG),
    "no F": (b"Ts\0\0", exitcodes.BAD_ENVELOPE),
    "no end": (b"Fs\0Tr\0", exitcodes.READ_ERROR),
    "nothing": (b"", exitcodes.READ_ERROR),
}


@pytest.mark.parametrize(("envelope", "code"), REFUSED.values(), ids=REFUSED)
def test_server_bad_envelope_is_refused_and_removed(
    served: QueueHome, envelope: bytes, code: int
) -> None:
    with connect(served) as caller:
        caller.sendall(whole(envelope=envelope))
        answer = answer_on(caller)
    assert answer is not None
    assert answer.code == code
    assert served.leftovers() == []


def test_server_caller_gone_before_the_end_queues_nothing(served: QueueHome) -> None:
    stream = whole()
    for size in range(0, len(stream), 3):
        with connect(served) as caller:
            caller.sendall(stream[:size])
    # All of it, but nobody there any more to hear the answer: one who comes after it
    # has been served shows that the worker is done with it.
    until(lambda: served.leftovers() == [])
    assert served.submit() == b""
    assert len(served.files("todo")) == 1


def test_server_trickled_bytes_are_one_message(served: QueueHome) -> None:
    with connect(served) as caller:
        for byte in whole(b"trickle\n"):
            caller.sendall(bytes([byte]))
        answer = answer_on(caller)
    assert answer is not None
    assert answer.code == 0
    (mess,) = served.files("mess").values()
    assert mess.endswith(b"\ntrickle\n")


def test_server_pulls_the_trigger(served: QueueHome) -> None:
    fd = os.open(f"{served.path}/queue/lock/trigger", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert served.submit() == b""
        assert select.select([fd], [], [], 20)[0] == [fd]
        assert len(os.read(fd, 10)) == 1
    finally:
        os.close(fd)


def test_server_socket_is_open_to_all_under_its_name_only(served: QueueHome) -> None:
    assert sorted(os.listdir(f"{served.path}/run")) == ["queued", "queued.lock"]
    mode = os.stat(f"{served.path}/run/queued").st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o666


def test_server_flood_by_one_user_does_not_hurt_others(home: QueueHome) -> None:
    if not ROOT:
        cannot_run("needs root")
    home.config.per_uid = 5
    home.start()
    ready, hold = os.pipe(), os.pipe()

    def flood() -> int:
        become(USER)
        os.close(hold[1])
        callers = [connect(home) for _ in range(300)]
        refused = 0
        for caller in callers[5:]:
            answer = answer_on(caller)
            assert answer is not None
            refused += answer.code == exitcodes.REFUSED_TEMPORARILY
        os.write(ready[1], b"%d" % refused)
        return len(os.read(hold[0], 1))

    pid = child.fork(flood)
    assert os.read(ready[0], 10) == b"295"
    assert home.submit(uid=USER) == verdict(exitcodes.REFUSED_TEMPORARILY)
    began = time.monotonic()
    for uid in (OTHER, QMAILD, ALIAS, QMAILS, 0):
        assert home.submit(uid=uid) == b""
    # The flood is held all the time; none of these waits for an end of it.
    assert time.monotonic() - began < 60 < home.config.seconds
    os.close(hold[1])
    assert child.wait_for(pid) == 0
    for fd in (*ready, hold[0]):
        os.close(fd)
    until(lambda: home.submit(uid=USER) == b"")


def test_server_many_callers_at_once_are_all_hung_up_on_when_served(
    home: QueueHome,
) -> None:
    home.start()
    # More than there are workers: some are hired while a caller waits for them.
    os.kill(home.server, signal.SIGSTOP)
    callers = [connect(home) for _ in range(3 * home.config.spare_workers)]
    os.kill(home.server, signal.SIGCONT)
    for caller in callers:
        with caller:
            caller.sendall(whole())
            answer = answer_on(caller)
            assert answer is not None
            assert answer.code == 0


def test_server_caller_at_its_limit_may_come_again_at_once(home: QueueHome) -> None:
    home.config.per_uid = home.config.per_reserved_uid = 1
    home.start()

    def work() -> bytes:
        verdicts = set()
        for _ in range(100):
            submission = Submission()
            submission.sender(b"s")
            verdicts.add(submission.close())
        return b"|".join(verdicts)

    until(lambda: home.submit() == b"")  # the look whether it serves has ended
    assert as_user(USER, work) == b""
    assert len(home.files("todo")) == 101


def test_server_time_limit_is_52(home: QueueHome) -> None:
    home.config.seconds = home.config.reserved_seconds = 0
    home.start()
    with connect(home) as caller:
        answer = answer_on(caller)
    assert answer is not None
    assert answer.code == exitcodes.TIMEOUT


def test_server_nearly_full_disk_is_53_and_said_once_a_minute(
    home: QueueHome, capfd: pytest.CaptureFixture[str]
) -> None:
    home.config.free_bytes = 1 << 62
    home.config.free_part = 1
    home.start()
    for _ in range(3):
        assert home.submit() == verdict(exitcodes.WRITE_ERROR)
    assert home.leftovers() == []
    assert capfd.readouterr().err == (
        "qmail-queued: warning: hardly any room left in queue, refusing all messages\n"
    )


@pytest.mark.parametrize(
    ("size", "free", "files", "is_full"),
    [
        (1 << 40, 31 << 20, (0, 0), True),
        (1 << 40, 32 << 20, (0, 0), False),
        (600 << 10, 151 << 10, (0, 0), False),
        (600 << 10, 149 << 10, (0, 0), True),
        (1 << 40, 1 << 39, (1 << 20, 4096), False),
        (1 << 40, 1 << 39, (1 << 20, 4095), True),
        (1 << 40, 1 << 39, (400, 100), False),
        (1 << 40, 1 << 39, (400, 99), True),
    ],
)
def test_small_file_system_needs_less_room(
    home: QueueHome,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    free: int,
    files: tuple[int, int],
    is_full: bool,
) -> None:
    def statvfs(path: bytes) -> SimpleNamespace:
        return SimpleNamespace(
            f_frsize=1024,
            f_blocks=size >> 10,
            f_bavail=free >> 10,
            f_files=files[0],
            f_favail=files[1],
        )

    monkeypatch.setattr("posix.statvfs", statvfs)
    assert worker.is_full(home.config) == is_full


@pytest.mark.parametrize(
    ("message", "recipients"),
    [(b"x" * 1000000, 1), (b"x", 50000)],
    ids=["message", "envelope"],
)
def test_server_disk_that_fills_up_is_53(
    home: QueueHome, monkeypatch: pytest.MonkeyPatch, message: bytes, recipients: int
) -> None:
    used: list[int] = []

    def is_full(config: Config, queue: bytes = b".") -> bool:
        files = [*home.files("mess").values(), *home.files("intd").values()]
        used.append(sum(map(len, files)))
        assert used[-1] < 200000
        return used[-1] > 100000

    monkeypatch.setattr(worker, "is_full", is_full)
    home.start()
    refused = home.submit(message, recipients=(b"r@example.org",) * recipients)
    assert refused == verdict(exitcodes.WRITE_ERROR)
    assert home.leftovers() == []
    assert home.submit() == b""


@pytest.mark.parametrize(
    ("missing", "code"),
    [
        ("queue", exitcodes.QUEUE_TROUBLE),
        ("queue/pid", exitcodes.PID_TROUBLE),
        ("queue/mess", exitcodes.MESS_TROUBLE),
        ("queue/intd", exitcodes.INTD_TROUBLE),
        ("queue/todo", exitcodes.TODO_TROUBLE),
    ],
)
def test_server_missing_directory_has_its_code(
    served: QueueHome, missing: str, code: int
) -> None:
    place = f"{served.path}/{missing}"
    os.rename(place, place + ".away")
    with connect(served) as caller:
        # Without a queue the worker answers and hangs up before it has read a byte.
        with contextlib.suppress(BrokenPipeError):
            caller.sendall(whole())
        answer = answer_on(caller)
    os.rename(place + ".away", place)
    assert answer is not None
    assert answer.code == code
    assert served.leftovers() == []
    # The same worker: it follows the queue, not the directory it once entered.
    assert served.submit() == b""


def test_worker_killed_is_74_and_the_server_lives(served: QueueHome) -> None:
    with connect(served) as caller:
        caller.sendall(wire.encode_piece(b"begun\n"))
        until(lambda: len(served.files("mess")) == 1)
        # Not before: one that was hired meanwhile may have taken the message.
        before = workers(served)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert answer_on(caller) is None
    until(lambda: not set(before) & set(workers(served)))
    assert served.submit() == b""


def test_worker_without_a_number_for_a_connection_says_so_and_is_replaced(
    home: QueueHome, tmp_path: Path
) -> None:
    with (tmp_path / "log").open("wb") as log:
        kept = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            home.start()
        finally:
            os.dup2(kept, 2)
            os.close(kept)

    def limit() -> bytes:
        for pid in workers(home):
            hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, hard))
        return b""

    def is_refused_when_limited() -> bool:
        as_user(SERVER, limit)
        answer = home.submit()
        # One that was hired meanwhile has no such limit.
        assert answer in (b"", verdict(exitcodes.COMMUNICATION_FAILED))
        return answer != b""

    until(is_refused_when_limited)
    until(lambda: home.submit() == b"")
    until(lambda: b"warning: worker " in (tmp_path / "log").read_bytes())
    said = (tmp_path / "log").read_bytes()
    fatal = (
        b"qmail-queued: fatal: worker: unable to take a connection:"
        b" process cannot open more files\n"
    )
    assert said.startswith(fatal)
    # Another one may fail, too, before the end of the first is seen.
    assert said.replace(fatal, b"").startswith(b"qmail-queued: warning: worker ")
    assert b"Traceback" not in said


def test_worker_that_does_not_come_back_is_killed(
    home: QueueHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = os.pipe()

    def receive(connection: worker.Connection) -> bytes:
        """As it is, but who hears "stop" says who it is and stops, in no time."""
        data = os.read(connection.fd, 4096)
        if not data:
            raise worker.CallerGone
        if data == wire.encode_piece(b"stop"):
            os.write(write, b"%d" % os.getpid())
            os.kill(os.getpid(), signal.SIGSTOP)
        return data

    monkeypatch.setattr(worker.Connection, "receive", receive)
    home.config.seconds = home.config.reserved_seconds = 1
    home.config.overdue_seconds = 1
    home.config.per_uid = home.config.per_reserved_uid = 1
    home.start()
    with connect(home) as caller:
        caller.sendall(wire.encode_piece(b"stop"))
        busy = int(os.read(read, 100))
        # The caller's only slot is free again.
        until(lambda: home.submit() == b"")
        assert answer_on(caller) is None
    until(lambda: not os.path.exists(f"/proc/{busy}"))
    os.close(read)
    os.close(write)


def holds(pid: int, place: str) -> bool:
    """True if the process has a file open whose path contains ``place``."""
    fds = Path(f"/proc/{pid}/fd")
    try:
        return any(place in os.readlink(fds / name) for name in os.listdir(fds))
    except FileNotFoundError:
        return False  # the process, or what it had open, has gone


def test_server_pool_grows_and_shrinks(home: QueueHome) -> None:
    home.config.idle_seconds = 0
    home.start()
    callers = [connect(home) for _ in range(10)]
    until(lambda: len(workers(home)) == 10 + home.config.spare_workers)
    for caller in callers:
        caller.close()
    assert home.submit() == b""
    until(lambda: len(workers(home)) == home.config.spare_workers)


def test_server_worker_is_replaced_after_its_share(home: QueueHome) -> None:
    home.config.messages_per_worker = 1
    home.start()
    seen: set[int] = set()
    for count in range(1, 11):
        with connect(home) as caller:
            caller.sendall(wire.encode_piece(b"begun, "))
            until(lambda: len(home.files("mess")) == count)  # noqa: B023
            (busy,) = [pid for pid in workers(home) if holds(pid, "/queue/pid/")]
            caller.sendall(whole(b"ended\n"))
            answer = answer_on(caller)
        assert answer is not None
        assert answer.code == 0
        seen.add(busy)
    assert len(seen) == 10


def test_server_term_frees_lock_and_socket_while_workers_finish(
    served: QueueHome,
) -> None:
    with connect(served) as caller:
        caller.sendall(wire.encode_piece(b"begun before, "))
        until(lambda: len(served.files("mess")) == 1)
        assert served.stop() == 0
        assert not served.is_served()
        served.start()
        assert served.submit() == b""
        rest = wire.encode_piece(b"ended after\n") + wire.END
        caller.sendall(rest + wire.encode_piece(b"Fs\0Tr\0\0") + wire.END)
        answer = answer_on(caller)
    assert answer is not None
    assert answer.code == 0
    messages = served.files("mess").values()
    assert any(m.endswith(b"\nbegun before, ended after\n") for m in messages)


def test_server_killed_ends_its_idle_workers(served: QueueHome) -> None:
    left = workers(served)
    assert left
    os.kill(served.server, signal.SIGKILL)
    child.wait_for(served.server)
    served.server = 0
    until(lambda: not any(os.path.exists(f"/proc/{pid}/cwd") for pid in left))
    served.start()
    assert served.submit() == b""


def test_second_server_waits_for_the_lock(served: QueueHome) -> None:
    first = served.server
    second = served.start()
    waits = re.compile(
        f"-> FLOCK .*:{os.stat(f'{served.path}/run/queued.lock').st_ino} "
    )
    until(lambda: waits.search(Path("/proc/locks").read_text()))
    assert os.waitpid(second, os.WNOHANG) == (0, 0)
    os.kill(first, signal.SIGTERM)
    assert child.wait_for(first) == 0
    until(served.is_served)
    assert served.submit() == b""


def test_tied_server_gives_way(served: QueueHome) -> None:
    read, write = os.pipe()
    pid = served.start(tied=True, tether=read)
    assert child.wait_for(pid) == 0
    os.close(read)
    os.close(write)
    assert served.submit() == b""


def test_tied_server_ends_with_its_tether(home: QueueHome) -> None:
    read, write = os.pipe()

    def body() -> int:
        # The server must not hold the other end itself.
        os.close(write)
        return serve_tied(home, read)

    pid = child.fork(body)
    os.close(read)
    until(home.is_served)
    assert home.submit() == b""
    os.close(write)
    assert child.wait_for(pid) == 0
    assert not home.is_served()


def serve_tied(home: QueueHome, tether: int) -> int:
    os.dup2(tether, 0)
    os.close(tether)
    become(SERVER)
    return serve(home.config, True, Strerr(b"qmail-queued"))


def queued_command(
    home: QueueHome, python: list[str], *args: str, uid: int
) -> subprocess.Popen[bytes]:
    Path(home.path + TRIAL_FILE.decode()).write_text(f"{SERVER} {SERVER}\n")
    return subprocess.Popen(
        [*python, "qmail-queued", *args],
        env={"PYQMAIL_TEST_HOME": home.path, "PATH": os.environ["PATH"]},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        user=uid if ROOT else None,
    )


def test_qmail_queued_as_a_program_serves(home: QueueHome, python: list[str]) -> None:
    with queued_command(home, python, uid=SERVER) as server:
        until(home.is_served)
        assert home.submit() == b""
        server.terminate()
        assert server.wait(20) == 0
        assert server.stderr is not None
        assert server.stderr.read() == b""


def test_qmail_queued_tied_as_a_program_ends(
    home: QueueHome, python: list[str]
) -> None:
    with queued_command(home, python, "-1", uid=SERVER) as server:
        until(home.is_served)
        assert home.submit() == b""
        _, text = server.communicate(timeout=20)
        assert text == b""
        assert server.returncode == 0


@pytest.mark.parametrize("args", [["-t"], ["word"], ["-1", "word"]])
def test_qmail_queued_misuse_is_100(
    home: QueueHome, python: list[str], args: list[str]
) -> None:
    with queued_command(home, python, *args, uid=SERVER) as server:
        _, text = server.communicate(timeout=20)
    assert server.returncode == 100
    assert text == b"qmail-queued: usage: qmail-queued [ -1 ]\n"


def test_qmail_queued_as_another_user_is_100(
    home: QueueHome, python: list[str], as_root: None
) -> None:
    with queued_command(home, python, uid=USER) as server:
        _, text = server.communicate(timeout=20)
    assert server.returncode == 100
    assert text.startswith(b"qmail-queued: fatal: must run as ")


def test_qmail_queued_without_run_directory_is_111(
    home: QueueHome, python: list[str]
) -> None:
    os.rmdir(f"{home.path}/run")
    with queued_command(home, python, uid=SERVER) as server:
        _, text = server.communicate(timeout=20)
    assert server.returncode == 111
    assert text.endswith(b": file does not exist\n")
