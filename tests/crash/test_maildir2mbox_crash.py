"""Moving a Maildir into an mbox, cut off or failing at each of its system calls."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from qmail.local import tombox
from qmail.local.mailbox import Message
from tests.support.crashfs import CrashFs, PowerCut

MBOX, TMP = b"mail/box", b"mail/box.tmp"
OLD = b"From a Sun Nov 22 14:10:53 2026\nold\n\n"
MAIL = {
    b"new/1": b"Return-Path: <s t@u>\nSubject: 1\n\nFrom here\n",
    b"cur/2:2,S": b"Return-Path: <>\n\nno newline",
    b"new/3": b"",
}
MESSAGES = [
    Message(path, len(MAIL[path]), 1_000_000 + n) for n, path in enumerate(MAIL)
]
WHOLE = (
    b"From s-t@u Mon Jan 12 13:46:40 1970\n"
    b"Return-Path: <s t@u>\nSubject: 1\n\n>From here\n\n"
    b"From MAILER-DAEMON Mon Jan 12 13:46:41 1970\n"
    b"Return-Path: <>\n\nno newline\n\n"
    b"From XXX Mon Jan 12 13:46:42 1970\n\n"
)


def disk(old: bytes | None) -> CrashFs:
    made = CrashFs([b"new", b"cur", b"mail"])
    files = dict(MAIL) if old is None else {**MAIL, MBOX: old}
    # What a run that was cut off has left.
    files[TMP] = b"junk of an earlier run, longer than any of the messages " * 9
    for path, data in files.items():
        fd = made.open(path, 0o101, 0o600)
        made.write(fd, data)
        made.close(fd)
    made.make_safe()
    made.calls.clear()
    return made


def move(fs: CrashFs) -> None:
    fd = tombox.locked(MBOX, lambda fd: None, fs)
    try:
        tombox.replace(MBOX, TMP, MESSAGES, fs)
        assert tombox.remove(MESSAGES, fs) == []
    finally:
        fs.close(fd)


def check_nothing_lost(fs: CrashFs, old: bytes | None) -> None:
    mbox = fs.content(MBOX)
    assert mbox in (old, old or b"", (old or b"") + WHOLE), mbox
    kept = [path for path in MAIL if fs.content(path) == MAIL[path]]
    if mbox != (old or b"") + WHOLE:
        assert kept == list(MAIL)
    assert all(fs.content(path) in (None, MAIL[path]) for path in MAIL)


@pytest.mark.parametrize("old", [None, OLD], ids=["new mbox", "old mbox"])
def test_moved_messages_survive_every_reboot(old: bytes | None) -> None:
    quiet = disk(old)
    move(quiet)
    assert [quiet.content(path) for path in MAIL] == [None] * 3
    assert quiet.content(TMP) is None
    for after in quiet.reboots():
        assert after.content(MBOX) == (old or b"") + WHOLE
        check_nothing_lost(after, old)


@pytest.mark.parametrize("old", [None, OLD], ids=["new mbox", "old mbox"])
def test_power_cut_anywhere_loses_nothing(old: bytes | None) -> None:
    quiet = disk(old)
    move(quiet)
    for point in range(len(quiet.calls)):
        dying = disk(old)
        dying.cut_after = point
        with pytest.raises(PowerCut):
            move(dying)
        for after in dying.reboots():
            check_nothing_lost(after, old)


@pytest.mark.parametrize("old", [None, OLD], ids=["new mbox", "old mbox"])
def test_failure_anywhere_loses_nothing(old: bytes | None) -> None:
    quiet = disk(old)
    move(quiet)
    for point in range(1, len(quiet.calls) - len(MAIL) + 1):
        failing = disk(old)
        failing.fail_at = (point, errno.EIO)
        with pytest.raises(tombox.Trouble):
            move(failing)
        check_nothing_lost(failing, old)
        assert failing.opened == {}


def test_message_that_cannot_be_removed_is_told() -> None:
    quiet = disk(OLD)
    move(quiet)
    failing = disk(OLD)
    failing.fail_at = (len(quiet.calls) - 1, errno.EACCES)
    tombox.replace(MBOX, TMP, MESSAGES, failing)
    # The mbox exists already here, so its creation is no call.
    left = tombox.remove(MESSAGES, failing)
    assert [message.path for message, _ in left] == [b"cur/2:2,S"]
    assert failing.content(b"new/3") is None


def replacing(fs: CrashFs, times: int) -> Callable[[int], None]:
    """A lock that is got only after somebody has put another mbox in place."""
    left = [times]

    def lock(fd: int) -> None:
        if left[0]:
            left[0] -= 1
            fs.close(fs.open(b"mail/other", 0o101, 0o600))
            fs.rename(b"mail/other", MBOX)

    return lock


@pytest.mark.parametrize("times", [0, 1, 3])
def test_lock_is_of_the_mbox_that_is_there(times: int) -> None:
    fs = disk(OLD)
    fd = tombox.locked(MBOX, replacing(fs, times), fs)
    assert fs.fstat(fd).st_ino == fs.stat(MBOX).st_ino
    fs.close(fd)
    assert fs.opened == {}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 4096])
def test_blocks_of_any_size_give_the_same_mbox(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tombox, "BLOCK", size)
    fs = disk(OLD)
    move(fs)
    assert fs.content(MBOX) == OLD + WHOLE


@pytest.mark.parametrize("torn", [b"From a Sun", OLD + b"half a l"])
def test_torn_message_is_set_apart(torn: bytes) -> None:
    fs = disk(torn)
    move(fs)
    assert fs.content(MBOX) == torn + b"\n\n" + WHOLE


def test_sender_in_a_from_line_has_no_blanks() -> None:
    line = tombox.from_line(b"Return-Path: <a\tb c@d>\n", 0)
    assert line == b"From a-b-c@d Thu Jan 01 00:00:00 1970\n"
