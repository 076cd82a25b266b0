"""The envelope as the queue stores it: records of a letter, text and a NUL.

    todo/N, intd/N    u<uid>\\0 p<pid>\\0 F<sender>\\0 T<recipient>\\0 ...
    info/N            F<sender>\\0
    local/N, remote/N T<recipient>\\0 ... ; T becomes D when that one is done
    descriptor 1      F<sender>\\0 T<recipient>\\0 ... \\0     (of qmail-queue)

Pure: bytes in, bytes and tuples out. Nothing here needs the whole of a long file.
"""

from __future__ import annotations

from qmail.queue.exitcodes import ADDRESS_TOO_LONG, BAD_ENVELOPE, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

# COMPAT: qmail-queue.8 once said 1000; the original takes 1002 bytes and the NUL.
ADDRESS_MAX: Final = 1002

DONE: Final = b"D"
NOT_DONE: Final = b"T"


def leading_number(digits: bytes) -> int:
    """Read the leading digits as the original does: none of them is 0."""
    rest = digits.lstrip(b"0123456789")
    head = digits[: len(digits) - len(rest)]
    return int(head) if head else 0


def encode_info(sender: bytes) -> bytes:
    return b"F" + sender + b"\0"


def encode_recipient(address: bytes) -> bytes:
    return b"T" + address + b"\0"


class ChannelReader:
    """Reads local/N or remote/N in chunks of any size.

    feed() gives, for each record that is complete now, the offset of its letter in the
    file (where a `D` is written when it is done), the letter, and the address.
    INVARIANT: what is held back is the one unfinished record, and `offset` is where it
    begins, so that a reader may stop, forget, and start again there.
    """

    __slots__ = ("_rest", "offset")

    def __init__(self, offset: int = 0) -> None:
        self.offset = offset
        self._rest = b""

    def feed(self, chunk: bytes) -> list[tuple[int, bytes, bytes]]:
        records = (self._rest + chunk).split(b"\0")
        self._rest = records.pop()
        found = []
        offset = self.offset
        for record in records:
            found.append((offset, record[:1], record[1:]))
            offset += len(record) + 1
        self.offset = offset
        return found


def read_channel(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Give (letter, address) of each record; other letters than T and D are skipped."""
    reader = ChannelReader()
    for chunk in chunks:
        for _, letter, address in reader.feed(chunk):
            if letter in (NOT_DONE, DONE):
                yield letter, address


class EnvelopeScanner:
    """Checks the envelope of descriptor 1 while it passes by in chunks.

    feed() gives the bytes that belong into intd/N: all but the closing NUL and what
    follows it. Refused 91 and 11 as the original would, at the same record.
    """

    __slots__ = ("_letter", "_record", "complete")

    def __init__(self) -> None:
        self._letter = b"F"
        self._record = b""  # the record that has begun, its letter included
        self.complete = False

    def feed(self, chunk: bytes) -> bytes:
        if self.complete:
            return b""
        records = (self._record + chunk).split(b"\0")
        rest = records.pop()
        passed = -len(self._record)
        for record in records:
            if record[:1] != self._letter:
                if record or self._letter == b"F":
                    raise Refused(BAD_ENVELOPE)
                self.complete = True
                self._record = b""
                return chunk[:passed]
            if len(record) > ADDRESS_MAX + 1:
                raise Refused(ADDRESS_TOO_LONG)
            self._letter = b"T"
            passed += len(record) + 1
        if rest:
            if rest[:1] != self._letter:
                raise Refused(BAD_ENVELOPE)
            # The original gives up at the byte that should have been the NUL.
            if len(rest) > ADDRESS_MAX + 1:
                raise Refused(ADDRESS_TOO_LONG)
        self._record = rest
        return chunk
