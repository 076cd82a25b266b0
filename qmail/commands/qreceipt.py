"""qreceipt: tell the sender, who asked for it, that his message has arrived.

Contract     qreceipt deliveryaddress, run by qmail-local with SENDER set; fd 0 message.
             If Notice-Requested-Upon-Delivery-To names the address, a notice to the
             sender is queued. 0, also where there is nothing to do; 100 for misuse, a
             field that is no address list or a refusal for good, 111 for now.
"""

from __future__ import annotations

import posix

from pytools.base import fds, signals
from pytools.base.environment import environ
from pytools.base.exits import TEMPORARY, USAGE, Exit, Strerr
from qmail.mail import rfc822tokens
from qmail.mail.header import HeaderReader, field_name
from qmail.mail.quoting import quote_address
from qmail.queue.inject import Submission

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qmail.mail.rfc822tokens import Token

PROG = Strerr(b"qreceipt")
REQUEST = b"notice-requested-upon-delivery-to"
NOBODY = (b"", b"#@[]")
"""Senders of bounces, whom nobody answers."""


def main(argv: list[bytes]) -> int:
    """Read the header; queue a notice if it asks for one."""
    signals.ignore(signals.SIGPIPE)
    sender = environ.get(b"SENDER")
    if len(argv) < 2 or sender is None:
        raise PROG.usage(b"qreceipt deliveryaddress")
    target = argv[1]
    wanted, message_id = scan(_header(), target)
    if wanted and sender not in NOBODY:
        _queue(notice(sender, target, message_id), sender)
    return 0


def _header() -> list[bytes]:
    reader = HeaderReader()
    fields: list[bytes] = []
    try:
        while reader.body is None:
            chunk = posix.read(0, fds.BLOCK)
            fields += reader.feed(chunk) if chunk else reader.finish()
    except OSError:
        raise PROG.fatal(b"read error") from None
    return fields


def scan(fields: list[bytes], target: bytes) -> tuple[bool, bytes]:
    """(is a notice for ``target`` asked for, the last Message-ID field)."""
    wanted = False
    message_id = b""
    for field in fields:
        name = field_name(field)
        if name == b"message-id":
            message_id = field
        elif name == REQUEST and target in _addresses(field):
            wanted = True
    return wanted, message_id


def _addresses(field: bytes) -> list[bytes]:
    """The addresses of the field, as an envelope carries them."""
    found: list[bytes] = []

    def note(address: list[Token]) -> list[Token]:
        found.append(rfc822tokens.bare(address))
        return address

    try:
        rfc822tokens.rewrite_addresses(rfc822tokens.parse(field), note)
    except rfc822tokens.Unparsable:
        text = b"unable to parse this: " + field.removesuffix(b"\n")
        raise PROG.fatal(text, code=USAGE) from None
    return found


def notice(sender: bytes, target: bytes, message_id: bytes) -> bytes:
    """The message to the sender."""
    quoted = quote_address(sender)
    text = (
        b"From: DELIVERY NOTICE SYSTEM <%b>\nTo: <%b>\nSubject: success notice\n\n"
        b"Hi! This is the qreceipt program. Your message was delivered to the\n"
        b"following address: %b. Thanks for asking.\n" % (quoted, quoted, target)
    )
    return text + b"Your " + message_id if message_id else text


def _queue(message: bytes, recipient: bytes) -> None:
    submission = Submission()
    submission.put(message)
    submission.sender(b"")
    submission.recipient(recipient)
    verdict = submission.close()
    if verdict:
        permanent = verdict.startswith(b"D")
        kind = b"permanent" if permanent else b"temporary"
        code = USAGE if permanent else TEMPORARY
        raise Exit(code, b"qreceipt: fatal: %b qmail-queue error" % kind)
