"""The addresses of a line, as RFC 822 writes them and sendmail's users do (pure).

Grammar      that of a header field (qmail.mail.rfc822tokens), read from right to left,
             the easy way: commas may be missing, colons and semicolons mean nothing.
             ``:include:file`` is one item where the caller says so.
"""

from __future__ import annotations

from qmail.mail.rfc822tokens import (
    AT,
    ATOM,
    COLON,
    COMMA,
    COMMENT,
    DOT,
    LEFT,
    LITERAL,
    QUOTED,
    RIGHT,
    SEMICOLON,
    Unparsable,
    bare,
    parse,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from qmail.mail.rfc822tokens import Token

FULL: Final = b"@"
"""An address with an @ that is not quoted."""
LOCAL: Final = b"local"
"""An address without; may also be a program or a file."""
INCLUDE: Final = b"include"

_WORDS = frozenset((ATOM, QUOTED, LITERAL))
_PHRASE = frozenset((COMMENT, ATOM, QUOTED, AT, DOT))
_INCLUDE: list[Token] = [(COLON, b""), (ATOM, b"include")]


def addresses(line: bytes, *, includes: bool = False) -> Iterator[tuple[bytes, bytes]]:
    """(kind, text) of each address, the last first. Raises Unparsable.

    The text is as an envelope carries it; that of ``<>`` and ``""`` is empty.
    """
    todo = parse(line)
    address: list[Token] = []  # from right to left
    word_fits = True
    while todo:
        token = todo.pop()
        kind = token[0]
        if kind == COLON and includes and todo[-2:] == _INCLUDE:
            del todo[-2:]
            yield INCLUDE, bare(address[::-1])
            address = []
        elif kind == COMMA:
            if address:
                yield _finished(address)
            address = []
            word_fits = True
        elif kind == RIGHT:
            if address:
                yield _finished(address)
            yield _finished(_in_brackets(todo))
            _drop_phrase(todo)
            address = []
            word_fits = False
        elif kind in _WORDS:
            if address and not word_fits:
                yield _finished(address)
                address = []
            address.append(token)
            word_fits = False
        elif kind not in (COLON, SEMICOLON, COMMENT):
            address.append(token)
            word_fits = True
    if address:
        yield _finished(address)


def _finished(address: list[Token]) -> tuple[bytes, bytes]:
    kind = FULL if (AT, b"") in address else LOCAL
    return kind, bare(address[::-1])


def _in_brackets(todo: list[Token]) -> list[Token]:
    """What stands between < and >, whose > is read; the < stays."""
    address = []
    while todo and todo[-1][0] != LEFT:
        address.append(todo.pop())
    return address


def _drop_phrase(todo: list[Token]) -> None:
    """The < and the name before it."""
    if not todo:
        raise Unparsable
    todo.pop()
    while todo and todo[-1][0] in _PHRASE:
        todo.pop()


class Completion:
    """Host names in full, by control/defaulthost, defaultdomain and plusdomain."""

    __slots__ = ("_default_domain", "_default_host", "_plus_domain")

    def __init__(
        self, default_host: bytes, default_domain: bytes, plus_domain: bytes
    ) -> None:
        self._default_host = default_host
        self._default_domain = default_domain
        self._plus_domain = plus_domain

    def full(self, kind: bytes, text: bytes) -> bytes:
        """The address with a host name that has a dot."""
        if kind == LOCAL:
            text += b"@"
        # COMPAT: dot-forward and newinclude read ``user@`` as one of the host "", and
        # add only the domain; newaliases always read it so.
        if text.endswith(b"@"):
            text += self._default_host
        if text.endswith(b"+"):
            text = text[:-1] + b"." + self._plus_domain
        if b"." not in text[max(0, text.rfind(b"@")) :]:
            text += b"." + self._default_domain
        return text
