"""The answers of the DNS, and how they travel between processes (pure).

Answer       a list of texts; empty: the name exists without such data.
             ``DnsPermanent``: no such name. ``DnsTemporary``: try again later.
Bounds       SECURITY: whoever owns a name decides what is answered for it. No more than
             ``ITEMS`` texts and ``TOTAL_BYTES`` of them are handed on.
"""

from __future__ import annotations

import errno

from pytools.base.netstring import Decoder, Malformed, encode


class DnsTemporary(Exception):
    """No answer could be had now.

    ``number``: the errno that says why, as the originals would. ETIMEDOUT: nobody has
    answered; EAGAIN: a server has, that it cannot tell.
    """

    def __init__(self, number: int = errno.ETIMEDOUT) -> None:
        super().__init__(number)
        self.number = number


class DnsPermanent(Exception):
    """There is no such name."""


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Query = tuple[bytes, bytes]
    """The kind of a question ("a", "ptr", ...) and the name."""
    Answer = list[bytes] | DnsTemporary | DnsPermanent
    Enough = Callable[[list[Answer | None]], bool]
    """Says, of the answers that are there so far, whether others are needed at all."""

ITEMS = 256
TOTAL_BYTES = 65536


def bounded(items: list[bytes]) -> list[bytes]:
    """The first items of an answer, as many as are handed on."""
    kept = []
    room = TOTAL_BYTES
    for item in items[:ITEMS]:
        room -= len(item)
        if room < 0:
            break
        kept.append(item)
    return kept


def encode_answer(answer: Answer) -> bytes:
    """An answer as netstrings: K and the items, D, or Z and an errno."""
    if isinstance(answer, DnsPermanent):
        return encode(b"D")
    if isinstance(answer, DnsTemporary):
        return encode(b"Z") + encode(b"%d" % answer.number)
    return encode(b"K") + b"".join(encode(item) for item in answer)


def decode_answer(data: bytes) -> Answer:
    """The answer that those bytes are. Malformed."""
    decoder = Decoder()
    decoder.receive(data)
    verdict = decoder.next()
    if verdict == b"Z":
        number = decoder.next()
        if number is None and not decoder.pending:
            return DnsTemporary()  # a resolver of an older version says no more
        if number is None or not number.isdigit() or decoder.pending:
            raise Malformed
        return DnsTemporary(int(number))
    if verdict == b"D":
        return DnsPermanent()
    if verdict != b"K":
        raise Malformed
    items = []
    while (item := decoder.next()) is not None:
        items.append(item)
    if decoder.pending:
        raise Malformed
    return items


def encode_answers(answers: list[Answer | None]) -> bytes:
    """Several answers; one that is not there is an empty netstring."""
    return b"".join(
        encode(b"" if answer is None else encode_answer(answer)) for answer in answers
    )


def decode_answers(data: bytes) -> list[Answer | None]:
    """The answers that ``encode_answers`` wrote. Malformed."""
    decoder = Decoder()
    decoder.receive(data)
    answers: list[Answer | None] = []
    while (item := decoder.next()) is not None:
        answers.append(decode_answer(item) if item else None)
    if decoder.pending:
        raise Malformed
    return answers
