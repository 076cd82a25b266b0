"""pytools/ucspi/handover.py: which descriptors systemd is said to have handed over."""

from __future__ import annotations

import os

import pytest

from pytools.base.exits import Exit
from pytools.ucspi import handover
from pytools.ucspi.log import NORMAL, Log


@pytest.mark.parametrize(
    ("after_pid", "number"),
    [
        ("", ""),
        ("", "0"),
        ("", "x"),
        ("", "3x"),
        ("", "3 "),
        ("", "-1"),
        ("", "1025"),
        ("x", "3"),
        (" ", "3"),
        ("0", "3"),
    ],
)
def test_numbers_that_systemd_does_not_write_are_none(
    after_pid: str, number: str
) -> None:
    env = {
        b"LISTEN_PID": f"{os.getpid()}{after_pid}".encode(),
        b"LISTEN_FDS": number.encode(),
    }
    with pytest.raises(Exit) as end:
        handover.take(b"fd:", env, Log(NORMAL))
    assert (end.value.code, end.value.text) == (
        111,
        b"tcpserver: fatal: no sockets were handed over: see LISTEN_PID and LISTEN_FDS",
    )


def test_number_of_them_is_taken_from_descriptor_3(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handover, "_listener", lambda fd, log: fd)
    env = {b"LISTEN_PID": b"%d" % os.getpid(), b"LISTEN_FDS": b"3", b"A": b"1"}
    taken: list[object] = [*handover.take(b"fd:", env, Log(NORMAL))]
    assert taken == [3, 4, 5]
    assert env == {b"A": b"1"}
