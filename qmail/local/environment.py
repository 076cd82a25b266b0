"""The environment of a delivery, and the three lines that go with it (pure).

SECURITY: the values come from the envelope; SENDER and RECIPIENT may hold any byte but
NUL. The three lines are the only ones made safe: no LF inside.
"""

from __future__ import annotations

from qmail.mail.dates import mbox_date
from qmail.mail.quoting import quote_address

_BLANKS = bytes.maketrans(b" \t\n", b"---")


def delivered_to(local: bytes, host: bytes) -> bytes:
    """The Delivered-To line, with its LF."""
    return b"Delivered-To: %b\n" % (local + b"@" + host).replace(b"\n", b"_")


def return_path(sender: bytes) -> bytes:
    """The Return-Path line, with its LF."""
    return b"Return-Path: <%b>\n" % quote_address(sender).replace(b"\n", b"_")


def from_line(sender: bytes, now: int) -> bytes:
    """The From_ line of an mbox, with its LF."""
    word = sender.translate(_BLANKS) or b"MAILER-DAEMON"
    return b"From %b %b\n" % (word, mbox_date(now))


def variables(
    user: bytes,
    home: bytes,
    local: bytes,
    ext: bytes,
    host: bytes,
    sender: bytes,
    now: int,
) -> dict[bytes, bytes]:
    """Everything but NEWSENDER and DEFAULT, which depend on files."""
    result = {
        b"HOST": host,
        b"HOME": home,
        b"USER": user,
        b"LOCAL": local,
        b"RECIPIENT": local + b"@" + host,
        b"DTLINE": delivered_to(local, host),
        b"SENDER": sender,
        b"RPLINE": return_path(sender),
        b"UFLINE": from_line(sender, now),
        b"EXT": ext,
    }
    for number in (b"2", b"3", b"4"):
        ext = ext.partition(b"-")[2]
        result[b"EXT" + number] = ext
        head, dot, _ = host.rpartition(b".")
        host = head if dot else host
        result[b"HOST" + number] = host
    return result
