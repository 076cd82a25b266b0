"""An mbox delivery that dies, or fails, at each of its system calls."""

from __future__ import annotations

import pytest

from qmail.local.mbox import append, open_mailbox
from tests.crash.mailbox_model import Crash, Disk

PATH = b"./Mailbox"
HEAD = b"From s@t Sun Nov 22 14:10:53 2026\nReturn-Path: <s@t>\n"
BLOCKS = [b"Subject: x\n\nFrom", b" here\n"]
WHOLE = HEAD + b"Subject: x\n\n>From here\n\n"
OLD = b"From a Sun Nov 22 14:10:53 2026\n\nold\n\n"


def disk(old: bytes, fail_at: int = 0) -> Disk:
    made = Disk([b"."], fail_at)
    if old:
        made.put(PATH, old)
    return made


def run(on: Disk, *, locked: bool = True) -> None:
    fd = open_mailbox(PATH, on)
    try:
        append(PATH, fd, HEAD, BLOCKS, locked, on)
    finally:
        on.close(fd)


def calls(old: bytes) -> int:
    quiet = disk(old)
    run(quiet)
    return quiet.calls


@pytest.mark.parametrize("old", [b"", OLD], ids=["new mailbox", "old mailbox"])
def test_delivered_survives_every_reboot(old: bytes) -> None:
    quiet = disk(old)
    run(quiet)
    for files in quiet.reboots():
        assert files[PATH] == old + WHOLE


@pytest.mark.parametrize("old", [b"", OLD], ids=["new mailbox", "old mailbox"])
def test_crash_anywhere_keeps_old_mail_and_the_retry_is_a_message_of_its_own(
    old: bytes,
) -> None:
    for point in range(1, calls(old) + 1):
        dying = disk(old, point)
        try:
            run(dying)
        except Crash:
            pass
        for files in dying.reboots():
            found = files.get(PATH, b"")
            assert found.startswith(old), f"call {point}"
            again = disk(found)
            run(again)
            after = again.files()[PATH]
            assert after.endswith(WHOLE)
            before = after[: -len(WHOLE)]
            assert before == b"" or before.endswith(b"\n"), f"call {point}"


@pytest.mark.parametrize("old", [b"", OLD], ids=["new mailbox", "old mailbox"])
def test_failure_under_the_lock_cuts_back(old: bytes) -> None:
    # The last close of the mailbox itself is the caller's.
    for point in range(2, calls(old)):
        failing = disk(old, point)
        failing.fails_once = True
        try:
            run(failing)
        except OSError:
            assert failing.files()[PATH] in (old, old + WHOLE), f"call {point}"
        else:
            # Trouble with finding the end or the last byte is not the message's.
            assert failing.files()[PATH] == old + WHOLE
        assert failing.open_count == 0


def test_failure_without_the_lock_cuts_nothing() -> None:
    failing = disk(OLD, calls(OLD) - 2)
    failing.fails_once = True
    with pytest.raises(OSError, match="injected"):
        run(failing, locked=False)
    assert len(failing.files()[PATH]) > len(OLD)
