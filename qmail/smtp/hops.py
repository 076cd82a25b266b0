"""Counting the servers a message has passed, to stop one that goes in circles."""

from __future__ import annotations

MAX_HOPS = 100
"""A message with this many is looping."""

_RECEIVED = b"\nreceived"
_DELIVERED = b"\ndelivered"


class HopCounter:
    """Counts header fields whose names begin with Received or Delivered.

    COMPAT: a prefix of the name is enough, as ever; so Received-SPF counts too.

    INVARIANT: between two calls only the start of the last line is kept, and only while
    it may still turn out to be one of the names.
    """

    __slots__ = ("_in_header", "_start", "hops")

    def __init__(self) -> None:
        self.hops = 0
        self._in_header = True
        self._start = b"\n"

    @property
    def is_looping(self) -> bool:
        """True when the message has been through too many servers."""
        return self.hops >= MAX_HOPS

    def feed(self, data: bytes) -> None:
        """Look at the next part of the message, in its form on disk."""
        if not self._in_header or not data:
            return
        text = self._start + data
        end = text.find(b"\n\n")
        if end >= 0:
            self._in_header = False
            text = text[:end]
        text = text.lower()
        self.hops += text.count(_RECEIVED) + text.count(_DELIVERED)
        last = text[max(text.rfind(b"\n"), 0) :]
        undecided = len(last) < len(_DELIVERED) and not last.startswith(_RECEIVED)
        # A LF that ends a line whose start is decided still begins the next one.
        self._start = last if undecided and last.startswith(b"\n") else b""
