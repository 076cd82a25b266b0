"""When qmail-clean sweeps pid/."""

from __future__ import annotations

import os

import pytest

from pytools.base import runtime
from qmail.commands import qmail_clean
from qmail.queue.clean import Cleaner
from tests.support.queuehome import queue_home


def test_clean_sweeps_at_start_and_at_every_31st_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sweeps: list[int] = []
    answers: list[bytes] = []
    commands = [b"foop/1\0" * 20, b"foop/1\0" * 43, b""]
    monkeypatch.setattr(
        Cleaner, "sweep_pid", lambda _, now: sweeps.append(len(answers))
    )
    monkeypatch.setattr(qmail_clean, "_read", lambda: commands.pop(0))
    monkeypatch.setattr(qmail_clean, "_answer", answers.append)
    before = os.getcwd()
    with queue_home() as home:
        monkeypatch.setattr(runtime, "home", home.path.encode())
        assert qmail_clean.main([b"qmail-clean"]) == 0
        os.chdir(before)
    assert answers == [b"+"] * 63
    assert sweeps == [0, 31, 62]
