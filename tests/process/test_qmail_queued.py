"""qmail-queued, its workers and its callers, as real processes."""

from __future__ import annotations

import os
import select
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytools.base import runtime
from pytools.base.environment import environ
from pytools.process import child, launcher
from qmail.commands import qmail_queue
from qmail.control.ids import TRIAL_FILE
from qmail.queue import client, exitcodes, wire
from qmail.queue.client import Call
from qmail.queue.exitcodes import Refused, verdict
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
    as_user,
    queue_home,
)
from tests.support.until import until


@pytest.fixture
def home() -> Iterator[QueueHome]:
    """A home without a server; at the end no child may be left."""
    before = set(os.listdir("/proc/self/fd"))
    with queue_home() as home:
        yield home
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def served(home: QueueHome) -> QueueHome:
    home.start()
    return home


def workers(home: QueueHome) -> list[int]:
    """The workers of the server, as soon as there are any."""
    path = Path(f"/proc/{home.server}/task/{home.server}/children")
    until(lambda: len(path.read_text().split()) >= home.config.spare_workers)
    return [int(word) for word in path.read_text().split()]


def connect(home: QueueHome) -> socket.socket:
    caller = socket.socket(socket.AF_UNIX)
    caller.settimeout(20)
    caller.connect(f"{home.path}/run/queued")
    return caller


def whole(message: bytes = b"x\n", envelope: bytes = b"Fs\0Tr\0\0") -> bytes:
    end = wire.END
    return wire.encode_piece(message) + end + wire.encode_piece(envelope) + end


def answer_on(caller: socket.socket) -> wire.Answer | None:
    heard = b""
    try:
        while data := caller.recv(4096):
            heard += data
    except ConnectionResetError:
        pass  # the server has closed without reading all that was sent
    return wire.decode_answer(heard)


def test_submission_is_queued_as_the_original_would(served: QueueHome) -> None:
    assert served.submit(b"Subject: x\n\nbody\n", b"s@x", (b"a@y", b"b@y")) == b""
    (n,) = served.files("mess")
    mess = served.files("mess")[n]
    received, _, rest = mess.partition(b"\n")
    assert rest == b"Subject: x\n\nbody\n"
    pid = int(received.split()[2])
    assert received.startswith(b"Received: (qmail %d invoked by uid " % pid)
    uid = os.geteuid()
    envelope = b"u%d\0p%d\0Fs@x\0Ta@y\0Tb@y\0" % (uid, pid)
    assert served.files("todo") == served.files("intd") == {n: envelope}
    assert served.leftovers() == [f"intd/{n}", f"mess/{n % 23}/{n}", f"todo/{n}"]
    for name in served.leftovers():
        found = os.stat(f"{served.path}/queue/{name}")
        assert stat.S_IMODE(found.st_mode) == 0o644
        assert found.st_uid == SERVER
    assert os.stat(f"{served.path}/queue/mess/{n % 23}/{n}").st_ino == n


@pytest.mark.parametrize(
    ("uid", "words"),
    [
        (ALIAS, b"by alias"),
        (QMAILD, b"from network"),
        (QMAILS, b"for bounce"),
        (USER, b"by uid %d" % USER),
    ],
    ids=["alias", "qmaild", "qmails", "user"],
)
def test_received_says_who_called(
    served: QueueHome, as_root: None, uid: int, words: bytes
) -> None:
    assert served.submit(uid=uid) == b""
    (mess,) = served.files("mess").values()
    assert b" invoked %b); " % words in mess.partition(b"\n")[0]
    (todo,) = served.files("todo").values()
    assert todo.startswith(b"u%d\0" % uid)


def test_submission_qp_is_the_callers_pid(served: QueueHome) -> None:
    def work() -> bytes:
        submission = Submission()
        submission.sender(b"")
        assert submission.close() == b""
        return b"%d %d" % (submission.qp, os.getpid())

    qp, pid = child.in_child(work).split()
    assert qp == pid
    (todo,) = served.files("todo").values()
    assert b"\0p%b\0F\0" % pid in todo


def test_submission_large_message_arrives_whole(served: QueueHome) -> None:
    message = os.urandom(3_000_000)
    recipients = tuple(b"r%d@example.org" % n for n in range(20000))
    assert served.submit(message, b"s", recipients) == b""
    (mess,) = served.files("mess").values()
    assert mess.partition(b"\n")[2] == message
    (todo,) = served.files("todo").values()
    assert todo.split(b"\0")[3:-1] == [b"T" + r for r in recipients]


def test_submission_long_home_is_reached(served: QueueHome) -> None:
    deep = served.path + "/" + "d" * 120
    os.mkdir(deep)
    os.chmod(deep, 0o755)
    os.symlink("../run", f"{deep}/run")
    runtime.home = deep.encode()
    assert served.submit() == b""


def test_submission_failed_by_caller_queues_nothing(served: QueueHome) -> None:
    def work() -> bytes:
        submission = Submission()
        submission.put(b"x" * 200_000)
        submission.fail()
        submission.sender(b"s")
        return submission.close()

    assert child.in_child(work) == verdict(exitcodes.READ_ERROR)
    until(lambda: served.leftovers() == [])


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
        from tests.support.queuehome import become

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
    assert time.monotonic() - began < 10
    os.close(hold[1])
    assert child.wait_for(pid) == 0
    for fd in (*ready, hold[0]):
        os.close(fd)
    until(lambda: home.submit(uid=USER) == b"")


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


def test_server_nearly_full_disk_is_53(home: QueueHome) -> None:
    home.config.free_bytes = 1 << 62
    home.start()
    assert home.submit() == verdict(exitcodes.WRITE_ERROR)
    assert home.leftovers() == []


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
        caller.sendall(whole())
        answer = answer_on(caller)
    os.rename(place + ".away", place)
    assert answer is not None
    assert answer.code == code
    assert served.leftovers() == []
    # The same worker: it follows the queue, not the directory it once entered.
    assert served.submit() == b""


def test_worker_killed_is_74_and_the_server_lives(served: QueueHome) -> None:
    before = workers(served)
    with connect(served) as caller:
        caller.sendall(wire.encode_piece(b"begun\n"))
        until(lambda: len(served.files("mess")) == 1)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert answer_on(caller) is None
    until(lambda: not set(before) & set(workers(served)))
    assert served.submit() == b""


def test_caller_of_a_killed_worker_gets_74(served: QueueHome) -> None:
    def work() -> bytes:
        submission = Submission()
        submission.put(b"x" * 100_000)
        until(lambda: len(served.files("mess")) == 1)
        for pid in workers(served):
            os.kill(pid, signal.SIGKILL)
        submission.sender(b"s")
        return submission.close()

    assert child.in_child(work) == verdict(exitcodes.COMMUNICATION_FAILED)


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
    for _ in range(10):
        assert home.submit() == b""
        seen.update(workers(home))
    assert len(seen) >= 10


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
    until(lambda: os.path.exists(f"/proc/{second}"))
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
    from pytools.base.exits import Strerr
    from qmail.commands.qmail_queued import serve
    from tests.support.queuehome import become

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
        assert server.communicate(timeout=20) == (None, b"")
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


def test_no_server_ordinary_caller_waits_for_it(home: QueueHome) -> None:
    if not ROOT:
        cannot_run("needs root")
    read, write = os.pipe()

    def work() -> bytes:
        os.write(write, b".")
        submission = Submission()
        submission.sender(b"s")
        return submission.close()

    def body() -> int:
        os.write(write, as_user(USER, work) or b"queued")
        return 0

    pid = child.fork(body)
    assert os.read(read, 1) == b"."
    home.start()
    assert os.read(read, 100) == b"queued"
    assert child.wait_for(pid) == 0
    os.close(read)
    os.close(write)


def test_no_server_ordinary_caller_gets_73(home: QueueHome) -> None:
    if not ROOT:
        cannot_run("needs root")

    def work() -> bytes:
        try:
            Call(patience=0.0)
        except Refused as refused:
            return b"%d" % refused.code
        return b""

    assert as_user(USER, work) == b"73"


def test_no_server_root_queues_directly(home: QueueHome, as_root: None) -> None:
    Path(home.path + TRIAL_FILE.decode()).write_text(f"{SERVER} {SERVER}\n")
    assert home.submit(b"by root\n") == b""
    (n,) = home.files("mess")
    assert home.files("mess")[n].endswith(b"\nby root\n")
    assert home.files("todo")[n].startswith(b"u0\0p")
    for name in home.leftovers():
        assert os.stat(f"{home.path}/queue/{name}").st_uid == SERVER


def test_no_server_root_without_accounts_gets_55(
    home: QueueHome, as_root: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qmail.control import ids

    def missing() -> ids.Ids:
        raise ids.UnknownAccount(b"qmailq")

    monkeypatch.setattr(ids, "lookup", missing)
    assert home.submit() == verdict(exitcodes.NO_CONFIGURATION)


def program(home: QueueHome, script: str, name: str = "filter") -> bytes:
    path = Path(home.path, "bin", name)
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    return bytes(path)


SCRIPTS = {
    "accepts": ("cat >m; cat <&1 >e", b""),
    "31": ("exit 31", verdict(31)),
    "82 with text": ("cat >/dev/null; echo 'Dspam (#5.7.1)' >&6; exit 82", None),
    "82 without": ("exit 82", verdict(1)),
    "killed": ("kill -9 $$", verdict(exitcodes.CRASHED_CODE)),
    "early 0": ("exec 0<&- 1<&-; exit 0", verdict(exitcodes.READ_ERROR)),
}


@pytest.mark.parametrize(("script", "expected"), SCRIPTS.values(), ids=SCRIPTS)
def test_qmailqueue_program_decides(
    home: QueueHome, script: str, expected: bytes | None
) -> None:
    environ[b"QMAILQUEUE"] = program(home, script)
    message = b"m" * 300_000
    try:
        found = home.submit(message, b"s", (b"r",))
    finally:
        del environ[b"QMAILQUEUE"]
    if expected is None:
        assert found == b"Dspam (#5.7.1)"
    else:
        assert found == expected
    if script.startswith("cat >m"):
        assert Path(home.path, "m").read_bytes() == message
        assert Path(home.path, "e").read_bytes() == b"Fs\0Tr\0\0"


@pytest.mark.parametrize(
    ("name", "code"), [(b"bin/none", 120), (b"none", 120), (b"", 120)]
)
def test_qmailqueue_missing_program_is_120(
    home: QueueHome, name: bytes, code: int
) -> None:
    environ[b"QMAILQUEUE"] = name
    try:
        assert home.submit() == verdict(code)
    finally:
        del environ[b"QMAILQUEUE"]


def test_foreign_qmail_queue_is_run(home: QueueHome) -> None:
    program(home, "exit 31", "qmail-queue")
    assert home.submit() == verdict(31)


def test_own_qmail_queue_is_not_run(served: QueueHome) -> None:
    path = Path(served.path, "bin/qmail-queue")
    path.write_bytes(launcher.render(b"qmail-queue", runtime.home))
    path.chmod(0o755)
    assert served.submit() == b""


def queue_command(message: bytes, envelope: bytes, hold: bool = False) -> int:
    """The exit code of qmail-queue; `hold` keeps its descriptor 1 open."""
    message_pipe, envelope_pipe = os.pipe(), os.pipe()

    def body() -> int:
        os.dup2(message_pipe[0], 0)
        os.dup2(envelope_pipe[0], 1)
        os.close(message_pipe[1])
        os.close(envelope_pipe[1])
        return qmail_queue.main([b"qmail-queue"])

    pid = child.fork(body)
    for fd in (message_pipe[0], envelope_pipe[0]):
        os.close(fd)
    os.write(message_pipe[1], message)
    os.close(message_pipe[1])
    os.write(envelope_pipe[1], envelope)
    if not hold:
        os.close(envelope_pipe[1])
    code = os.waitstatus_to_exitcode(child.wait_for(pid))
    if hold:
        os.close(envelope_pipe[1])
    return code


COMMANDS = {
    "good": (b"Fs\0Tr\0\0", False, 0),
    "held open after the end": (b"Fs\0Tr\0\0", True, 0),
    "rest ignored": (b"Fs\0Tr\0\0more", False, 0),
    "no recipients": (b"Fs\0\0", False, 0),
    "longest": (b"F%b\0\0" % (b"x" * 1002), False, 0),
    "too long": (b"F%b\0\0" % (b"x" * 1003), True, 11),
    "bad letter": (b"Fs\0Xr\0", True, 91),
    "no envelope": (b"", False, 54),
    "cut": (b"Fs\0Tr\0", False, 54),
}


@pytest.mark.parametrize(("envelope", "hold", "code"), COMMANDS.values(), ids=COMMANDS)
def test_qmail_queue_exit_code_is_the_originals(
    served: QueueHome, envelope: bytes, hold: bool, code: int
) -> None:
    assert queue_command(b"Subject: x\n\n", envelope, hold) == code
    queued = [b"Subject: x\n\n"] if code == 0 else []
    until(lambda: len(served.files("mess")) == len(queued))
    found = [mess.partition(b"\n")[2] for mess in served.files("mess").values()]
    assert found == queued


def test_qmail_queue_unreadable_descriptor_is_54(served: QueueHome) -> None:
    def body() -> int:
        os.close(0)
        return qmail_queue.main([b"qmail-queue"])

    assert os.waitstatus_to_exitcode(child.wait_for(child.fork(body))) == 54


def test_qmail_queue_alarm_is_52(served: QueueHome) -> None:
    read, write = os.pipe()

    def body() -> int:
        os.dup2(read, 0)
        return qmail_queue.main([b"qmail-queue"])

    os.write(write, b"x" * 65536)
    pid = child.fork(body)
    until(lambda: len(served.files("mess")) == 1)
    os.kill(pid, signal.SIGALRM)
    assert os.waitstatus_to_exitcode(child.wait_for(pid)) == 52
    os.close(read)
    os.close(write)
    until(lambda: served.leftovers() == [])


def test_connect_refuses_a_path_that_is_no_socket(home: QueueHome) -> None:
    Path(home.path, "run/queued").write_bytes(b"")
    with pytest.raises(ConnectionRefusedError):
        client.connect(home.path.encode())
