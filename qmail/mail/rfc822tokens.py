"""Address header fields as RFC 822 tokens: parse, walk the address list, write.

Grammar      RFC 822 3.3 and 6.1, read leniently: a missing comma is put in, an atom
             with a character it may not have becomes a quoted string.
Pure         bytes in, tokens out.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    Token = tuple[bytes, bytes]

# The kind of a special is its own character, and its text is empty.
ATOM: Final = b"atom"
QUOTED: Final = b'"'
LITERAL: Final = b"["
COMMENT: Final = b"("
DOT: Final = b"."
COMMA: Final = b","
AT: Final = b"@"
LEFT: Final = b"<"
RIGHT: Final = b">"
COLON: Final = b":"
SEMICOLON: Final = b";"

LINE: Final = 80
"""Fields are folded to lines of at most that length, where there is a comma."""

_SPECIALS = frozenset(b".,@<>:;")
_BLANKS = frozenset(b" \t\r\n")
_CLOSERS = frozenset(b")]")
_ENDS_ATOM = frozenset(b' \t\r\n([" <>;:@,.')
_NOT_ATOM = frozenset(b")]\\") | frozenset(range(32)) | frozenset(range(127, 256))
_ESCAPED = frozenset(b'"[]()\\\r\n')
_WORDS = frozenset((ATOM, QUOTED, LITERAL, COMMENT))
_PHRASE = frozenset((COMMENT, ATOM, QUOTED, AT, DOT))
_BACKSLASH = 0x5C
_CLOSING = {QUOTED: b'"', LITERAL: b"]", COMMENT: b")"}


class Unparsable(Exception):
    """No address list: a comment, string, route or group is not closed.

    ``text`` is what ``parse`` was given.
    """

    def __init__(self, text: bytes = b"") -> None:
        super().__init__(text)
        self.text = text


def parse(text: bytes) -> list[Token]:
    """The tokens of ``text``, without the blanks between them. Raises Unparsable."""
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        byte = text[at]
        if byte in _BLANKS:
            at += 1
        elif byte in _SPECIALS:
            tokens.append((text[at : at + 1], b""))
            at += 1
        elif byte in _CLOSERS:
            raise Unparsable(text)
        elif (kind := text[at : at + 1]) in _CLOSING:
            word, at = _enclosed(text, at + 1, kind)
            tokens.append((kind, word))
        else:
            word, at = _atom(text, at)
            kind = ATOM if _NOT_ATOM.isdisjoint(word) else QUOTED
            tokens.append((kind, word))
    return tokens


def _enclosed(text: bytes, at: int, kind: bytes) -> tuple[bytes, int]:
    """A quoted string, domain literal or comment from after its opening character.

    COMPAT: comments nest, and the inner parentheses are not kept.
    """
    close = _CLOSING[kind][0]
    nests = kind == COMMENT
    word = bytearray()
    level = 1
    while at < len(text):
        byte = text[at]
        at += 1
        if byte == close:
            level -= 1
            if level == 0:
                return bytes(word), at
        elif nests and byte == COMMENT[0]:
            level += 1
        else:
            if byte == _BACKSLASH:
                if at == len(text):
                    break
                byte = text[at]
                at += 1
            word.append(byte)
    raise Unparsable(text)


def _atom(text: bytes, at: int) -> tuple[bytes, int]:
    """A run of anything that begins no other token; a backslash protects a byte."""
    word = bytearray()
    first = at
    while at < len(text) and (at == first or text[at] not in _ENDS_ATOM):
        if text[at] == _BACKSLASH:
            at += 1
            if at == len(text):
                break
        word.append(text[at])
        at += 1
    return bytes(word), at


def write(tokens: list[Token], line_length: int = LINE) -> bytes:
    """The field with one LF at its end, folded after commas."""
    chunks = [bytearray()]
    before = b""
    for kind, text in tokens:
        if _needs_space(before, kind):
            chunks[-1] += b" "
        before = kind
        if kind not in _WORDS:
            chunks[-1] += kind
            if kind == COMMA:
                chunks.append(bytearray())
            continue
        if kind != ATOM:
            chunks[-1] += kind
        for byte in text:
            if byte in _ESCAPED:
                chunks[-1].append(_BACKSLASH)
            chunks[-1].append(byte)
        chunks[-1] += _CLOSING.get(kind, b"")
    lines = [bytes(chunks[0])]
    for chunk in chunks[1:]:
        # Two more for the line break that is weighed against going on.
        if len(lines[-1]) + 2 + len(chunk) <= line_length:
            lines[-1] += chunk
        else:
            lines.append(b" " + chunk)
    return b"\n".join(lines) + b"\n"


def _needs_space(before: bytes, kind: bytes) -> bool:
    if not before:
        return False
    if before in (COLON, COMMA) or kind == LEFT:
        return True
    return before in _WORDS and kind in _WORDS


def bare(tokens: list[Token]) -> bytes:
    """An address without quoting and comments, as an envelope carries it."""
    parts = []
    for kind, text in tokens:
        if kind == LITERAL:
            parts.append(b"[" + text + b"]")
        elif kind in (ATOM, QUOTED):
            parts.append(text)
        elif kind != COMMENT:
            parts.append(kind)
    return b"".join(parts)


def rewrite_addresses(
    tokens: list[Token], rewrite: Callable[[list[Token]], list[Token]]
) -> list[Token]:
    """The field (name, colon, address list) with ``rewrite`` done to each address.

    Addresses are met from the last to the first. Where two stand without a comma, one
    is put between them. Raises Unparsable.
    """
    return _Walk(tokens, rewrite).result()


class _Walk:
    """A walk over an address list from right to left, the easy way to read one.

    ``_out`` and ``_address`` are kept in the order of the walk, that is reversed.
    """

    def __init__(
        self, tokens: list[Token], rewrite: Callable[[list[Token]], list[Token]]
    ) -> None:
        self._todo = tokens[2:]
        self._head = tokens[:2]
        self._rewrite = rewrite
        self._out: list[Token] = []
        self._address: list[Token] = []

    def result(self) -> list[Token]:
        in_group = False
        # True where a word still belongs to the address being read.
        word_fits = True
        while self._todo:
            kind = self._todo[-1][0]
            if kind == COMMENT:
                self._keep()
            elif kind == COMMA:
                self._end_address()
                self._keep()
                word_fits = True
            elif kind == SEMICOLON:
                self._end_address(comma=True)
                if in_group:
                    raise Unparsable
                in_group = word_fits = True
                self._keep()
            elif kind == COLON:
                self._end_address()
                if not in_group:
                    raise Unparsable
                in_group = False
                self._group_name()
                word_fits = True
            elif kind == RIGHT:
                self._end_address(comma=True)
                self._in_brackets()
                word_fits = False
            elif kind in _WORDS:
                if not word_fits:
                    self._end_address(comma=True)
                word_fits = False
                self._address.append(self._todo.pop())
            else:
                word_fits = True
                self._address.append(self._todo.pop())
        self._end_address()
        return self._head + self._out[::-1]

    def _keep(self) -> None:
        self._out.append(self._todo.pop())

    def _end_address(self, *, comma: bool = False) -> None:
        if self._address:
            self._rewritten()
            if comma:
                self._out.append((COMMA, b""))

    def _rewritten(self) -> None:
        self._out += self._rewrite(self._address[::-1])[::-1]
        self._address = []

    def _group_name(self) -> None:
        """Everything left of a group's colon, up to the comma before its name."""
        while self._todo:
            ended = self._todo[-1][0] == COMMA
            self._keep()
            if ended:
                break

    def _in_brackets(self) -> None:
        """``<address>``, which may be empty, and the phrase before it."""
        self._keep()
        while self._todo and self._todo[-1][0] != LEFT:
            self._address.append(self._todo.pop())
        self._rewritten()
        if not self._todo:
            raise Unparsable
        self._keep()
        while self._todo and self._todo[-1][0] in _PHRASE:
            self._keep()
