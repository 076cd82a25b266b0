"""Submission: over the socket, through a program, and without a server."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from pytools.base import runtime
from pytools.base.environment import environ
from pytools.process import child, launcher
from qmail.control import ids
from qmail.control.ids import TRIAL_FILE
from qmail.queue import client, exitcodes
from qmail.queue.client import Call
from qmail.queue.exitcodes import Refused, verdict
from qmail.queue.inject import Submission
from qmail.queue.numbering import PROCESSES_MAX
from tests.conftest import cannot_run
from tests.support.queuehome import (
    ALIAS,
    QMAILD,
    QMAILS,
    ROOT,
    SERVER,
    USER,
    QueueHome,
    as_user,
    workers,
)
from tests.support.until import until


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


def test_submission_further_messages_have_numbers_of_their_own(
    served: QueueHome,
) -> None:
    def work() -> bytes:
        numbers = [os.getpid()]
        for _ in range(3):
            submission = Submission()
            submission.sender(b"")
            assert submission.close() == b""
            numbers.append(submission.qp)
        return b" ".join(b"%d" % number for number in numbers)

    pid, *numbers = child.in_child(work).split()
    assert numbers[0] == pid
    assert len({*numbers}) == 3
    assert all(int(number) > PROCESSES_MAX for number in numbers[1:])
    todo = b"".join(served.files("todo").values())
    mess = b"".join(served.files("mess").values())
    for number in numbers:
        assert b"\0p%b\0F\0" % number in todo
        assert b"(qmail %b invoked " % number in mess


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


def test_qmailqueue_program_that_leaves_a_child_behind_is_not_waited_for(
    home: QueueHome,
) -> None:
    # The child holds descriptor 6 for as long as the FIFO has a writer.
    os.mkfifo(f"{home.path}/fifo")
    writer = os.open(f"{home.path}/fifo", os.O_RDWR)
    script = "exec 9<fifo; cat >/dev/null; cat <&1 >/dev/null\n"
    script += "echo 'Zlater (#4.7.1)' >&6; cat <&9 >/dev/null 2>&1 &\nexit 82"
    environ[b"QMAILQUEUE"] = program(home, script)
    try:
        assert home.submit() == b"Zlater (#4.7.1)"
    finally:
        del environ[b"QMAILQUEUE"]
        os.close(writer)


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


def test_connect_refuses_a_path_that_is_no_socket(home: QueueHome) -> None:
    Path(home.path, "run/queued").write_bytes(b"")
    with pytest.raises(ConnectionRefusedError):
        client.connect(home.path.encode())
