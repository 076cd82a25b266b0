"""How an address is completed: routes out, host and domain names in (pure)."""

from __future__ import annotations

from qmail.mail.rfc822tokens import (
    AT,
    ATOM,
    COLON,
    DOT,
    LITERAL,
    bare,
    parse,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qmail.mail.rfc822tokens import Token


class Rewriter:
    """The rules with this host's names in them.

    Raises Unparsable if one of these is no name.
    """

    __slots__ = ("_default_domain", "_default_host", "_plus_domain")

    def __init__(
        self, default_host: bytes, default_domain: bytes, plus_domain: bytes
    ) -> None:
        self._default_domain = parse(b"." + default_domain)
        self._default_host = parse(b"@" + default_host)
        self._plus_domain = parse(b"." + plus_domain)

    def rewrite(self, address: list[Token]) -> list[Token]:
        """The address in full. The empty address and ``x@[]`` are left as they are."""
        if not address or (len(address) > 1 and address[-2:] == [_AT, (LITERAL, b"")]):
            return address
        address = _without_route(address)
        for useless in (DOT, AT):
            if address and address[-1][0] == useless:
                address = address[:-1]
        if not address:
            return []
        if _AT not in address:
            address = address + self._default_host
        kind, text = address[-1]
        if kind == ATOM and text.endswith(b"+"):
            address = [*address[:-1], (ATOM, text[:-1]), *self._plus_domain]
        if not _is_complete(address):
            address = address + self._default_domain
        return address

    def plain(self, text: bytes) -> bytes:
        """Rewrite an address that stands alone; as an envelope carries it."""
        return bare(self.rewrite(parse(text)))


_AT: Token = (AT, b"")


def _without_route(address: list[Token]) -> list[Token]:
    """RFC 822 6.2.7: ``@a,@b:x@y`` is ``x@y``."""
    if address[0][0] != AT:
        return address
    for index, (kind, _) in enumerate(address):
        if kind == COLON:
            return address[index + 1 :]
    return []


def _is_complete(address: list[Token]) -> bool:
    """True if the host name has a dot, or is an address in brackets."""
    kinds = [kind for kind, _ in address]
    kinds.reverse()
    host = kinds[: kinds.index(AT)] if AT in kinds else kinds
    return DOT in host or LITERAL in host
