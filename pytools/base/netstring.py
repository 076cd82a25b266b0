"""Netstrings: ``5:hello,`` (https://cr.yp.to/proto/netstrings.txt)."""

from __future__ import annotations

MAX_LENGTH = 200_000_000


class Malformed(Exception):
    """The bytes are no netstring, or one over the limit."""


def encode(data: bytes) -> bytes:
    """``data`` as one netstring."""
    return b"%d:%b," % (len(data), data)


class Decoder:
    """Netstrings out of a stream: bytes in, whole strings out."""

    __slots__ = ("_buffer", "_limit")

    def __init__(self, limit: int = MAX_LENGTH) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer."""
        self._buffer += data

    def next(self) -> bytes | None:
        """The next whole string; None until there is one. Raises Malformed."""
        colon = self._buffer.find(b":", 0, 12)
        if colon < 0:
            if len(self._buffer) >= 12 or not (self._buffer + b"0").isdigit():
                raise Malformed
            return None
        digits = bytes(self._buffer[:colon])
        if not digits.isdigit():
            raise Malformed
        length = int(digits)
        if length > self._limit:
            raise Malformed
        end = colon + 1 + length
        if len(self._buffer) <= end:
            return None
        if self._buffer[end] != 44:
            raise Malformed
        result = bytes(self._buffer[colon + 1 : end])
        del self._buffer[: end + 1]
        return result

    @property
    def pending(self) -> int:
        """How many bytes wait for the rest of their string."""
        return len(self._buffer)
