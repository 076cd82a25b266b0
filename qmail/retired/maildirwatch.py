"""maildirwatch: keep a list of the new mail in a Maildir on the screen.

Contract     $MAILDIR; the list goes to descriptor 1, every 30 seconds, with the codes of
             an ANSI terminal. Ends only in trouble, with 111, or by a signal.
"""

from __future__ import annotations

import posix
import time

from pytools.base import fds
from pytools.base.exits import Strerr
from qmail.local import maildirlist
from qmail.mail.header import HeaderReader, field_name

PROG = Strerr(b"maildirwatch")
SECONDS = 30
EXCERPT = 158
"""Two lines of a screen."""
CLEAR = b"\x1b[;H\x1b[;J"
BOLD, PLAIN = b"\x1b[1m", b"\x1b[0m"
BLANKS = b" \t\r\n"


def main(argv: list[bytes]) -> int:
    """Show the list for ever."""
    maildirlist.enter(PROG)
    while True:
        screen = [CLEAR]
        for message in maildirlist.messages((b"new",), PROG):
            try:
                screen.append(shown(*_read(message.path)))
            except FileNotFoundError:
                pass  # a reader has taken it
            except OSError as error:
                what = b"trouble reading new message"
                raise PROG.fatal(what, error=error) from None
        try:
            fds.write_all(1, b"".join(screen))
        except OSError as error:
            # COMPAT: the original goes on without a terminal.
            raise PROG.fatal(b"unable to write output", error=error) from None
        time.sleep(SECONDS)


def _read(path: bytes) -> tuple[list[bytes], bytes]:
    """The header fields, and enough of the body."""
    reader = HeaderReader()
    fields: list[bytes] = []
    fd = posix.open(path, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    try:
        while reader.body is None:
            chunk = posix.read(fd, fds.BLOCK)
            fields += reader.feed(chunk) if chunk else reader.finish()
        body = reader.body
        while len(body) < EXCERPT and (chunk := posix.read(fd, fds.BLOCK)):
            body += chunk
        return fields, body if body.endswith(b"\n") or not body else body + b"\n"
    finally:
        posix.close(fd)


def shown(fields: list[bytes], body: bytes) -> bytes:
    """The entry of one message."""
    sender = recipient = b"?"
    from_field = text = b""
    for field in fields:
        name = field_name(field)
        value = field.partition(b":")[2].lstrip(BLANKS)
        if name == b"subject":
            text += value
        elif name == b"from":
            from_field = field[:-1]
        elif name == b"return-path" and value:
            sender = value[:-1]
        elif name == b"delivered-to" and value:
            recipient = value[:-1]
    head = b"FROM %b TO <%b>\n" % (printable(sender, b"?"), printable(recipient, b"?"))
    if from_field:
        head += BOLD + printable(from_field, b"/") + PLAIN + b"\n"
    return head + printable((text + body)[:EXCERPT], b"/") + b"\n\n"


def printable(data: bytes, instead: bytes) -> bytes:
    """The bytes, everything but printable ASCII replaced."""
    return bytes(byte if 32 <= byte <= 126 else instead[0] for byte in data)
