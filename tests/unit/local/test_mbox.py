"""mboxrd quoting, and appending to a real file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qmail.local.mbox import FromQuoter, append, open_mailbox
from tests.support.trickle import pieces

CASES = {
    "at the start": (b"From x\n", b">From x\n"),
    "quoted before": (b">>From x\n>From y\n", b">>>From x\n>>From y\n"),
    "after a line": (b"a\nFrom b\nc", b"a\n>From b\nc"),
    "not a line's start": (b"a From b\n> From c\nx>From d\n", None),
    "a header field": (b"From: x\nFromage\nFro\nF", None),
    "twice in a line": (b"From From From \n", b">From From From \n"),
    "after From on one line": (b"From >From x\n", b">From >From x\n"),
    "unfinished last line": (b"x\nFrom ", b"x\n>From "),
    "only the prefix": (b"x\n>>From", None),
    "quotes alone": (b">>>\n>\nFrom x", b">>>\n>\n>From x"),
    "empty": (b"", None),
}


@pytest.mark.parametrize(("text", "expected"), list(CASES.values()), ids=list(CASES))
def test_quoter_any_split_gives_the_same_bytes(
    text: bytes, expected: bytes | None
) -> None:
    for blocks in pieces(text):
        quoter = FromQuoter()
        out = b"".join(quoter.feed(block) for block in blocks) + quoter.finish()
        assert out == (text if expected is None else expected)


@pytest.mark.parametrize(
    ("message", "stored"),
    [
        (b"S: x\n\nbody\n", b"S: x\n\nbody\n\n"),
        (b"S: x\n\nbody", b"S: x\n\nbody\n\n"),
        (b"", b"\n"),
    ],
    ids=["whole last line", "unfinished last line", "empty"],
)
def test_append_ends_with_one_blank_line(
    tmp_path: Path, message: bytes, stored: bytes
) -> None:
    path = os.fsencode(tmp_path / "Mailbox")
    for _ in range(2):
        fd = open_mailbox(path)
        append(path, fd, b"From a\n", [message] if message else [], True)
        os.close(fd)
    assert (tmp_path / "Mailbox").read_bytes() == (b"From a\n" + stored) * 2
    assert (tmp_path / "Mailbox").stat().st_mode & 0o777 == 0o600


def test_append_sets_a_torn_message_apart(tmp_path: Path) -> None:
    mailbox = tmp_path / "Mailbox"
    mailbox.write_bytes(b"From x\nhalf a li")
    path = os.fsencode(mailbox)
    fd = open_mailbox(path)
    append(path, fd, b"From a\n", [b"m\n"], True)
    os.close(fd)
    assert mailbox.read_bytes() == b"From x\nhalf a li\n\nFrom a\nm\n\n"


class FullDisk:
    """The real file system, with room for some bytes."""

    def __init__(self, room: int) -> None:
        self.room = room

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def write(self, fd: int, data: bytes) -> int:
        if self.room == 0:
            raise OSError(28, "no space")
        done = os.write(fd, bytes(data)[: self.room])
        self.room -= done
        return done


@pytest.mark.parametrize(("locked", "left"), [(True, b"old\n"), (False, b"old\nFrom ")])
def test_append_on_a_full_disk_cuts_back_only_what_it_locked(
    tmp_path: Path, locked: bool, left: bytes
) -> None:
    mailbox = tmp_path / "Mailbox"
    mailbox.write_bytes(b"old\n")
    path = os.fsencode(mailbox)
    fd = open_mailbox(path)
    disk = FullDisk(5)
    with pytest.raises(OSError, match="no space"):
        append(path, fd, b"From a\n", [b"m\n"], locked, disk)  # type: ignore[arg-type]  # a part of Fs
    os.close(fd)
    assert mailbox.read_bytes() == left
