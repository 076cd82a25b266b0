"""Where a recipient goes, and under which address: pure.

Order        no ``@``: envnoathost; percent hack, repeated; locals; virtualdomains.
Virtual      the whole address, its domain, each ``.suffix``, then the empty key; the
             first entry found decides, and one with an empty value is an exception.
Bounces      a notice names the address without what virtualdomains prepended.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Literal, Protocol

    ChannelNumber = Literal[0, 1]

    class Lookup(Protocol):
        """A case-insensitive control list or map."""

        def get(self, key: bytes, /) -> bytes | None: ...


LOCAL: Final = 0
REMOTE: Final = 1

VERP_MARK = b"-@[]"
"""How a sender ends that names each recipient: ``owner-@host-@[]``."""

DOUBLE_BOUNCE_SENDER = b"#@[]"
"""The envelope sender of a double bounce; its own bounce is thrown away."""


class Rewriter:
    """The four control files that decide about a recipient."""

    __slots__ = ("_envnoathost", "_locals", "_percenthack", "_virtual")

    def __init__(
        self,
        locals_: Lookup,
        virtualdomains: Lookup,
        percenthack: Lookup,
        envnoathost: bytes,
    ) -> None:
        self._locals = locals_
        self._virtual = virtualdomains
        self._percenthack = percenthack
        self._envnoathost = envnoathost

    def reloaded(self, locals_: Lookup, virtualdomains: Lookup) -> Rewriter:
        """The same with the two lists that a HUP rereads."""
        return Rewriter(locals_, virtualdomains, self._percenthack, self._envnoathost)

    def route(self, recipient: bytes) -> tuple[ChannelNumber, bytes]:
        """The channel and the address to deliver to."""
        address = self._without_percent(recipient)
        at = address.rfind(b"@")
        if self._locals.get(address[at + 1 :]) is not None:
            return LOCAL, address
        prepend = self._virtual.get(address)
        if prepend is None:
            prepend = self._of_domain(address[at + 1 :])
        if prepend:
            return LOCAL, prepend + b"-" + address
        return REMOTE, address

    def strip_prepend(self, recipient: bytes) -> bytes:
        """The recipient as its sender wrote it, for the text of a bounce.

        COMPAT: like the original this looks at the domain alone, so the prepend of a
        ``user@domain`` entry stays in the notice.
        """
        at = recipient.rfind(b"@")
        if at < 0:
            return recipient
        prepend = self._of_domain(recipient[at + 1 :])
        if prepend and recipient.startswith(prepend + b"-"):
            return recipient[len(prepend) + 1 :]
        return recipient

    def _without_percent(self, address: bytes) -> bytes:
        box, at, domain = address.rpartition(b"@")
        if not at:
            box, domain = address, self._envnoathost
        while self._percenthack.get(domain) is not None:
            head, percent, tail = box.rpartition(b"%")
            if not percent:
                break
            box, domain = head, tail
        return box + b"@" + domain

    def _of_domain(self, domain: bytes) -> bytes | None:
        """The virtualdomains value for a domain; b"" is an exception, None nothing."""
        value = self._virtual.get(domain)
        dot = domain.find(b".", 1)
        # The original tries every dot after the at sign, so that of ".x" once, as the
        # domain itself.
        while value is None and dot >= 0:
            value = self._virtual.get(domain[dot:])
            dot = domain.find(b".", dot + 1)
        return self._virtual.get(b"") if value is None else value


def sender_for(sender: bytes, recipient: bytes) -> bytes:
    """The envelope sender of one delivery: ``owner-@host-@[]`` names the recipient.

    It becomes ``owner-box=domain@host``; any other sender stays as it is.
    """
    if not sender.endswith(VERP_MARK):
        return sender
    owner, at, host = sender[: -len(VERP_MARK)].rpartition(b"@")
    box, recipient_at, domain = recipient.rpartition(b"@")
    if not at or not recipient_at:
        return sender
    return b"%b%b=%b@%b" % (owner, box, domain, host)


def bounce_address(sender: bytes) -> bytes:
    """Where the bounces of a sender go: without the mark, ``owner-@host``."""
    if sender.endswith(VERP_MARK):
        return sender[: -len(VERP_MARK)]
    return sender
