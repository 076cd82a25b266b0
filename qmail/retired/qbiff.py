"""qbiff: announce a message on the terminals of its recipient, from a .qmail file.

Contract     run by qmail-local with USER, LOCAL and SENDER set; fd 0 message. Every
             terminal of the user in utmp that is his, and that he has made executable
             (biff y), gets two lines. Always 0, and nothing on stderr: a message is
             delivered whether or not anybody sees it come.
"""

from __future__ import annotations

import posix

from pytools.base import fds
from pytools.base.environment import environ
from qmail.mail.header import HeaderReader, field_name

UTMP = b"/var/run/utmp"
LINE = slice(8, 40)
NAME = slice(44, 76)
"""Where struct utmp of Linux has the terminal and the user."""
RECORD = 384
RECORDS = {"aarch64": 400}
"""Its size, where the machine's is another."""
WIDTH = 78
_OPEN = posix.O_WRONLY | posix.O_NONBLOCK | posix.O_APPEND | posix.O_NOCTTY


def main(argv: list[bytes]) -> int:
    """Announce."""
    try:
        posix.chdir(b"/dev")
        user, sender = environ[b"USER"], environ[b"SENDER"]
        announcement = text(environ[b"LOCAL"], sender, _excerpt())
        utmp = fds.read_file(UTMP)
    except (OSError, KeyError):
        return 0
    size = RECORDS.get(posix.uname().machine, RECORD)
    for line in terminals(utmp, user, size):
        try:
            _write(line, announcement)
        except OSError:
            pass  # gone, or never there
    return 0


def terminals(utmp: bytes, user: bytes, size: int) -> list[bytes]:
    """The terminals of the user, relative to /dev, in the order of utmp."""
    found = []
    for start in range(0, len(utmp) - size + 1, size):
        record = utmp[start : start + size]
        line = record[LINE].partition(b"\0")[0]
        # SECURITY: in some systems anybody could write utmp, and name any file.
        if not line or line.startswith(b"/") or b"." in line:
            continue
        if record[NAME].partition(b"\0")[0] == user:
            found.append(line)
    return found


def text(local: bytes, sender: bytes, excerpt: bytes) -> bytes:
    """The two lines, with a bell."""
    head = printable(b"*** TO <%b> FROM <%b>" % (local, sender), b"_")
    return b"\r\n\a%b\r\n%b\r\n" % (head, printable(excerpt, b"/"))


def printable(data: bytes, instead: bytes) -> bytes:
    """The bytes, everything but printable ASCII replaced."""
    return bytes(byte if 32 <= byte <= 126 else instead[0] for byte in data)


def _excerpt() -> bytes:
    """The subject and the beginning of the body, as much as fits a line."""
    reader = HeaderReader()
    found = b"    "
    # The message is read to its end, for whoever feeds it to us.
    while chunk := posix.read(0, fds.BLOCK):
        if reader.body is None:
            found += _subjects(reader.feed(chunk)) + (reader.body or b"")
        elif len(found) < WIDTH:
            found += chunk
    if reader.body is None:
        found += _subjects(reader.finish()) + (reader.body or b"")
    elif not found.endswith(b"\n"):
        found += b"\n"
    return found[:WIDTH]


def _subjects(fields: list[bytes]) -> bytes:
    return b"".join(
        field.partition(b":")[2].lstrip(b" \t\r\n")
        for field in fields
        if field_name(field) == b"subject"
    )


def _write(line: bytes, announcement: bytes) -> None:
    # COMPAT: the original makes a file of that name where there is none.
    fd = posix.open(line, _OPEN | posix.O_CLOEXEC)
    try:
        terminal = posix.fstat(fd)
        if terminal.st_mode & 0o100 and terminal.st_uid == posix.getuid():
            posix.write(fd, announcement)
    finally:
        posix.close(fd)
