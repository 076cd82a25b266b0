"""What becomes of a header: fields rewritten, removed and added; the envelope.

Contract     ``field`` for each field in order, then ``finish`` once; after it
             ``sender`` and ``header_recipients`` are the envelope's.
Format       qmail-header(5). Neither clock nor environment is read here: both are given.
"""

from __future__ import annotations

import time

from qmail.mail.dates import rfc822
from qmail.mail.header import field_name
from qmail.mail.quoting import needs_quotes, quote_address
from qmail.mail.rfc822tokens import (
    AT,
    ATOM,
    COLON,
    COMMENT,
    LEFT,
    QUOTED,
    RIGHT,
    Unparsable,
    bare,
    parse,
    rewrite_addresses,
    write,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qmail.control.maps import ConstMap
    from qmail.inject.identity import Identity
    from qmail.inject.rewriting import Rewriter
    from qmail.mail.rfc822tokens import Token

_RECIPIENTS = frozenset((b"to", b"cc", b"bcc", b"apparently-to"))
_RESENT_RECIPIENTS = frozenset((b"resent-to", b"resent-cc", b"resent-bcc"))
_SENDERS = frozenset(
    (
        b"sender",
        b"from",
        b"reply-to",
        b"return-receipt-to",
        b"errors-to",
        b"resent-sender",
        b"resent-from",
        b"resent-reply-to",
    )
)
_RESENT = _RESENT_RECIPIENTS | frozenset(
    (
        b"resent-sender",
        b"resent-from",
        b"resent-reply-to",
        b"resent-date",
        b"resent-message-id",
    )
)
_REMOVED = frozenset((b"bcc", b"resent-bcc", b"return-path", b"content-length"))
_NOT_SHOWN = b"Cc: recipient list not shown: ;\n"


class BadField(Exception):
    """A field that cannot be parsed; ``field`` is the field."""

    def __init__(self, field: bytes) -> None:
        super().__init__(field)
        self.field = field


class Composer:
    """The header of one message on its way into the queue."""

    def __init__(
        self,
        identity: Identity,
        rewriter: Rewriter,
        id_host: bytes,
        now: int,
        pid: int,
    ) -> None:
        self.sender: bytes | None = None
        self.use_header_recipients = True
        self._identity = identity
        self._rewriter = rewriter
        self._id_host = id_host
        self._now = now
        self._pid = pid
        self._seen: set[bytes] = set()
        self._kept: list[bytes] = []
        self._recipients: list[bytes] = []
        self._resent_recipients: list[bytes] = []
        self._to_and_cc: list[bytes] = []

    def field(self, field: bytes) -> None:
        """Take one field of the message. Raises BadField."""
        name = field_name(field)
        if self._is_unwanted(name):
            return
        self._seen.add(name)
        if name in _RECIPIENTS:
            field, found = self._rewritten(field, may_fail=True)
            self._recipients += found
            if name in (b"to", b"cc"):
                self._to_and_cc += found
        elif name in _RESENT_RECIPIENTS:
            field, found = self._rewritten(field, may_fail=True)
            self._resent_recipients += found
        elif name == b"return-path":
            _, found = self._rewritten(field)
            self._set_sender(found)
        elif name in _SENDERS:
            field, _ = self._rewritten(field)
        if name not in _REMOVED:
            self._kept.append(field)

    def finish(self, mailing_lists: ConstMap | None = None) -> bytes:
        """The whole new header, without the blank line.

        With the addresses of ``mailing_lists``, a message to one of them gets a
        Mail-Followup-To field.
        """
        if self.sender is None:
            self._set_sender(self._default_return_path())
        added: list[bytes] = []
        if self.is_resent():
            added += [b"Resent-" + line for line in self._stamps(b"resent-")]
        else:
            added += self._stamps(b"")
            if mailing_lists is not None:
                added += self._followup(mailing_lists)
        return b"".join(added + self._kept)

    def is_resent(self) -> bool:
        """True if any Resent- field was seen."""
        return not _RESENT.isdisjoint(self._seen)

    @property
    def header_recipients(self) -> list[bytes]:
        """The envelope recipients that the header names."""
        return self._resent_recipients if self.is_resent() else self._recipients

    def _is_unwanted(self, name: bytes) -> bool:
        wants = self._identity.wants
        return (
            (name == b"from" and wants(b"f"))
            or (name == b"message-id" and wants(b"i"))
            or (name == b"return-path" and wants(b"s"))
        )

    def _rewritten(
        self, field: bytes, *, may_fail: bool = False
    ) -> tuple[bytes, list[bytes]]:
        """The field with its addresses completed, and those, last one first."""
        found: list[bytes] = []

        def rewrite(address: list[Token]) -> list[Token]:
            address = self._rewriter.rewrite(address)
            found.append(bare(address))
            return address

        try:
            return write(rewrite_addresses(parse(field), rewrite)), found
        except Unparsable:
            if may_fail and not self.use_header_recipients:
                # COMPAT: the original refuses the message for a broken recipient field
                # that nobody asked it to read, and .qmail forwards bounce. The field
                # goes on as it came; where it parses it is completed all the same.
                return field, []
            raise BadField(field) from None

    def _set_sender(self, found: list[bytes]) -> None:
        """The first address met (the last of the field) becomes the sender."""
        if self.sender is None and found:
            self.sender = found[0]
            if self._identity.wants(b"r"):
                self.sender += b"-@[]"
            self.sender = _before_nul(self.sender)

    def _default_return_path(self) -> list[bytes]:
        who = self._identity
        user = who.envelope_user
        if who.wants(b"m"):
            user += b"-%d.%d" % (self._now, self._pid)
        if who.wants(b"r"):
            user += b"-"
        tokens: list[Token] = [(ATOM, b"Return-Path"), (COLON, b""), (QUOTED, user)]
        if who.envelope_host is not None:
            tokens += [(AT, b""), (ATOM, who.envelope_host)]
        return self._rewritten(write(tokens))[1]

    def _default_from(self) -> bytes:
        who = self._identity
        kind = QUOTED if needs_quotes(who.user) else ATOM
        address: list[Token] = [(kind, who.user)]
        if who.host is not None:
            address += [(AT, b""), (ATOM, who.host)]
        if who.full_name is not None:
            if who.wants(b"c"):
                address = [*address, (COMMENT, who.full_name)]
            else:
                name: Token = (QUOTED, who.full_name)
                address = [name, (LEFT, b""), *address, (RIGHT, b"")]
        # Written and parsed once more, so that the dots of the host become tokens.
        return self._rewritten(write([(ATOM, b"From"), (COLON, b""), *address]))[0]

    def _stamps(self, prefix: bytes) -> list[bytes]:
        """The fields every message has, those that are missing."""
        seen = self._seen
        fields = []
        if prefix + b"date" not in seen:
            fields.append(b"Date: %b\n" % rfc822(self._now))
        if prefix + b"message-id" not in seen:
            fields.append(self._message_id())
        if prefix + b"from" not in seen:
            fields.append(self._default_from())
        if prefix + b"to" not in seen and prefix + b"cc" not in seen:
            fields.append(_NOT_SHOWN)
        return fields

    def _message_id(self) -> bytes:
        t = time.gmtime(self._now)
        clock = (t.tm_mon, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec)
        stamp = b"%d%02d%02d%02d%02d%02d" % (t.tm_year, *clock)
        return b"Message-ID: <%b.%d.qmail@%b>\n" % (stamp, self._pid, self._id_host)

    def _followup(self, mailing_lists: ConstMap) -> list[bytes]:
        addresses = self._to_and_cc
        if b"mail-followup-to" in self._seen:
            return []
        if not any(address in mailing_lists for address in addresses):
            return []
        shown = [quote_address(_before_nul(a)) for a in reversed(addresses)]
        listed = b",\n  ".join(shown)
        return [b"Mail-Followup-To: " + listed + b"\n"]


def _before_nul(address: bytes) -> bytes:
    """What an envelope can carry of an address."""
    return address.partition(b"\0")[0]
