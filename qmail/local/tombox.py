"""Messages of a Maildir at the end of an mbox: all of them in it, or none.

Contract     the working directory is the Maildir. ``Trouble``: the mbox is what it was.
Order        a new mbox, complete, is written beside the old one and renamed over it,
             under the lock that deliveries take; only then the messages are removed.
Durability   before the first message is removed, the new mbox and its entry are on
             disk. A crash, or a failure, leaves every message in the Maildir, the mbox,
             or both.
Format       mbox(5), mboxrd quoting.
"""

from __future__ import annotations

import posix

from pytools.base.durable import create_anew, parent
from qmail.local.entries import settle
from qmail.local.mbox import FromQuoter
from qmail.mail.dates import mbox_date

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytools.base.seams import Fs
    from qmail.local.mailbox import Message

BLOCK = 65536
_RETURN_PATH = b"Return-Path: <"
_READ = posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC
_APPEND = (
    posix.O_WRONLY | posix.O_NONBLOCK | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC
)
_FILE_TYPE, _REGULAR = 0o170000, 0o100000
_LOOK = posix.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC


class Trouble(Exception):
    """What could not be done, and why."""

    def __init__(self, what: bytes, error: OSError | None = None) -> None:
        super().__init__(what, error)
        self.what = what
        self.error = error


def locked(mbox: bytes, lock: Callable[[int], None], fs: Fs = posix) -> int:
    """The mbox, opened for appending (and made, if need be) and locked.

    COMPAT: while the original waits for the lock of one mbox, another one may be put in
    its place; the lock it then gets is of a file that nobody sees.
    """
    while True:
        try:
            fd = fs.open(mbox, _APPEND, 0o600)
            lock(fd)
            mine = fs.fstat(fd)
        except OSError as error:
            raise Trouble(b"unable to lock " + mbox, error) from None
        try:
            there = fs.stat(mbox)
            if (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino):
                return fd
        except OSError:
            pass  # there is none at the moment
        fs.close(fd)


def replace(
    mbox: bytes, tmp: bytes, messages: Iterable[Message], fs: Fs = posix
) -> None:
    """Give the locked ``mbox`` the messages at its end, by way of the file ``tmp``."""
    try:
        old = fs.open(mbox, _READ)
    except OSError as error:
        raise Trouble(b"unable to read " + mbox, error) from None
    try:
        try:
            _refuse_other_files(old, mbox, tmp, fs)
            new = create_anew(tmp, 0o644, fs)
        except OSError as error:
            raise Trouble(b"unable to create " + tmp, error) from None
        try:
            last = b"\n"
            for chunk in _blocks(old, mbox, fs):
                last = chunk[-1:]
                _write(new, chunk, tmp, fs)
            if last != b"\n":
                # COMPAT: the original joins the next message to one that a crash cut
                # off in the middle of a line, and both become one.
                _write(new, b"\n\n", tmp, fs)
            for message in messages:
                _add(new, message, tmp, fs)
            try:
                fs.fsync(new)
            except OSError as error:
                raise Trouble(b"unable to write to " + tmp, error) from None
        finally:
            fs.close(new)
    finally:
        fs.close(old)
    try:
        fs.rename(tmp, mbox)
        # DURABILITY: COMPAT: the original leaves the entry to the file system; a power
        # cut that undid the rename, but not the removals, would lose the messages.
        settle(parent(mbox), fs)
    except OSError as error:
        what = b"unable to move %b to %b" % (tmp, mbox)
        raise Trouble(what, error) from None


def _refuse_other_files(old: int, mbox: bytes, tmp: bytes, fs: Fs) -> None:
    """Trouble if ``tmp`` is there and is not what a crash of ours may have left.

    COMPAT: the original empties whatever it is or leads to, the mbox too, and then
    removes the messages.
    """
    try:
        fd = fs.open(tmp, _LOOK)
    except FileNotFoundError:
        return
    try:
        there, mine = fs.fstat(fd), fs.fstat(old)
    finally:
        fs.close(fd)
    if (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
        raise Trouble(b"%b is the same file as %b" % (tmp, mbox))
    if there.st_mode & _FILE_TYPE != _REGULAR:
        raise Trouble(tmp + b" is no regular file")


def remove(
    messages: Iterable[Message], fs: Fs = posix
) -> list[tuple[Message, OSError]]:
    """Remove the messages, which are in the mbox; those that stay, and why."""
    left = []
    for message in messages:
        try:
            fs.unlink(message.path)
        except OSError as error:
            left.append((message, error))
    return left


def from_line(first: bytes, when: int) -> bytes:
    """The From_ line of a message that begins with that line."""
    sender = b"XXX"
    if first.startswith(_RETURN_PATH):
        sender = first[len(_RETURN_PATH) : -2]
        if first[len(_RETURN_PATH) :].startswith(b">"):
            sender = b"MAILER-DAEMON"
    sender = sender.replace(b" ", b"-").replace(b"\t", b"-")
    return b"From %b %b\n" % (sender, mbox_date(when))


def _add(new: int, message: Message, tmp: bytes, fs: Fs) -> None:
    name = b"$MAILDIR/" + message.path
    try:
        fd = fs.open(message.path, _READ)
    except OSError as error:
        raise Trouble(b"unable to read " + name, error) from None
    try:
        blocks = _blocks(fd, name, fs)
        pending = _first_line(blocks)
        line, newline, _ = pending.partition(b"\n")
        first = line + newline if newline else b""
        _write(new, from_line(first, message.when), tmp, fs)
        quoter = FromQuoter()
        last = b"\n"
        while pending:
            last = pending[-1:]
            _write(new, quoter.feed(pending), tmp, fs)
            pending = next(blocks, b"")
        # COMPAT: the original drops a last line that has no newline.
        end = b"\n" if last == b"\n" else b"\n\n"
        _write(new, quoter.finish() + end, tmp, fs)
    finally:
        fs.close(fd)


def _first_line(blocks: Iterator[bytes]) -> bytes:
    """Blocks up to the one in which the first line ends."""
    parts: list[bytes] = []
    for block in blocks:
        parts.append(block)
        if b"\n" in block:
            break
    return b"".join(parts)


def _blocks(fd: int, name: bytes, fs: Fs) -> Iterator[bytes]:
    try:
        while chunk := fs.read(fd, BLOCK):
            yield chunk
    except OSError as error:
        raise Trouble(b"unable to read " + name, error) from None


def _write(fd: int, data: bytes, tmp: bytes, fs: Fs) -> None:
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[fs.write(fd, rest) :]
    except OSError as error:
        raise Trouble(b"unable to write to " + tmp, error) from None
