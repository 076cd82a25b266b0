"""qmail-queue as a program: its exit codes are those of the original."""

from __future__ import annotations

import os
import signal

import pytest

from pytools.process import child
from qmail.commands import qmail_queue
from tests.support.queuehome import QueueHome
from tests.support.until import until


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
