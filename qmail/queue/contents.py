"""Whether the files of a message say what such files may say. Pure.

todo/N                u<digits>\\0 p<digits>\\0 F<sender>\\0 T<recipient>\\0 ...
info/N                F<sender>\\0
local/N, remote/N     T<recipient>\\0 or D<recipient>\\0 ...
"""

from __future__ import annotations

from qmail.queue.envelope import ChannelReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

_HEADS: Final = {b"todo": b"upF", b"info": b"F", b"local": b"", b"remote": b""}
"""The letters that come once, at the beginning and in this order."""
_TAILS: Final = {b"todo": b"T", b"info": b"", b"local": b"TD", b"remote": b"TD"}
"""The letters of all the records after those."""

NO_RECIPIENT: Final = "it has no recipient, and would be removed as done"
"""Such a file is made with its first recipient; one whose recipients are all done (D)
is as it should be."""

KINDS: Final = frozenset(_HEADS)


def complaint(kind: bytes, chunks: Iterable[bytes]) -> str | None:
    """What is wrong with the contents of a file of that kind; None if nothing is."""
    head, tail = _HEADS[kind], _TAILS[kind]
    reader = ChannelReader()
    count = size = 0
    for chunk in chunks:
        size += len(chunk)
        for offset, letter, text in reader.feed(chunk):
            wanted = head[count : count + 1] or tail
            count += 1
            if not letter or letter not in wanted:
                return f"byte {offset} begins a record that does not belong there"
            if letter in b"up" and not text.isdigit():
                return f"the record at byte {offset} is no number"
    if size != reader.offset:
        return "it breaks off within a record"
    if count < len(head):
        return f"it has no {chr(head[count])} record"
    if not count:
        return NO_RECIPIENT
    return None
