"""pytools/process/handing.py: a record and a descriptor go to another process."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
from contextlib import closing

import pytest

from pytools.process import child, handing


def test_descriptor_comes_with_its_record_and_is_close_on_exec() -> None:
    giver, receiver = handing.channel()
    read_end, write_end = os.pipe()
    with closing(giver), closing(receiver):
        handing.send(giver, b"one", read_end)
        handing.send(giver, b"two", write_end)
        os.close(read_end)
        os.close(write_end)
        first, second = (handing.receive(receiver, 100) for _ in range(2))
    assert (first[0], second[0]) == (b"one", b"two")
    assert fcntl.fcntl(first[1], fcntl.F_GETFD) == fcntl.FD_CLOEXEC
    os.write(second[1], b"x")
    assert os.read(first[1], 10) == b"x"
    os.close(first[1])
    os.close(second[1])


def test_end_of_the_giver_is_told_and_so_is_that_of_the_receiver() -> None:
    giver, receiver = handing.channel()
    giver.close()
    with closing(receiver):
        assert handing.receive(receiver, 100) == (b"", -1)
    giver, receiver = handing.channel()
    receiver.close()
    with closing(giver), pytest.raises(BrokenPipeError):
        handing.send(giver, b"one", 0)


def test_receiver_without_a_number_for_the_descriptor_learns_of_it() -> None:
    giver, receiver = handing.channel()

    def work() -> bytes:
        handing.send(giver, b"one", 0)
        free = os.dup(0)
        os.close(free)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            handing.receive(receiver, 100)
        except OSError as error:
            return b"%d" % (error.errno or 0)
        return b"nothing"

    with closing(giver), closing(receiver):
        assert int(child.in_child(work)) == errno.EMFILE
