"""A Maildir delivery that dies, or fails, at each of its system calls."""

from __future__ import annotations

import pytest

from qmail.local.maildir import deliver
from tests.crash.mailbox_model import Crash, Disk

HEAD = b"Return-Path: <>\n"
BLOCKS = [b"Subject: x\n\nbo", b"dy\n"]
WHOLE = HEAD + b"".join(BLOCKS)
NEW = b"new/1.2.h"


def disk(fail_at: int = 0) -> Disk:
    return Disk([b"tmp", b"new", b"cur"], fail_at)


def run(on: Disk) -> None:
    deliver(HEAD, BLOCKS, lambda: b"1.2.h", on)


def calls() -> int:
    quiet = disk()
    run(quiet)
    return quiet.calls


def in_new(files: dict[bytes, bytes]) -> list[bytes]:
    return [data for path, data in files.items() if path.startswith(b"new/")]


def test_delivered_survives_every_reboot() -> None:
    quiet = disk()
    run(quiet)
    for files in quiet.reboots():
        assert files[NEW] == WHOLE
    assert b"tmp/1.2.h" not in quiet.files()


def test_crash_anywhere_leaves_nothing_half_delivered() -> None:
    assert calls() > 10
    for point in range(1, calls() + 1):
        dying = disk(point)
        with_crash = True
        try:
            run(dying)
            with_crash = False
        except Crash:
            pass
        assert with_crash or point == calls()
        for files in dying.reboots():
            assert in_new(files) in ([], [WHOLE]), f"call {point}"


def test_failure_anywhere_is_reported_and_leaves_nothing_half_delivered() -> None:
    for point in range(1, calls() + 1):
        failing = disk(point)
        failing.fails_once = True
        if point >= calls() - 1:
            run(failing)  # only the close of new, or the unlink of tmp, failed
        else:
            with pytest.raises(OSError, match="injected"):
                run(failing)
            assert [p for p in failing.files() if p.startswith(b"tmp/")] == []
        for files in failing.reboots():
            assert in_new(files) in ([], [WHOLE]), f"call {point}"
        assert failing.open_count == 0, f"call {point}"


def test_failure_before_the_link_delivers_nothing() -> None:
    # What may stay in new after a failure is a duplicate in the making: only the last
    # four calls (open, fsync and close of the directory, unlink) come after the link.
    for point in range(1, calls() - 3):
        failing = disk(point)
        failing.fails_once = True
        with pytest.raises(OSError, match="injected"):
            run(failing)
        assert in_new(failing.files()) == []
