"""What is done to the bytes of a request and of an answer on their way (pure)."""

from __future__ import annotations

from pytools.ucspi.lineends import CrRemoved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Filter(Protocol):
        """Bytes in, bytes out; ``end`` gives what was held back."""

        def receive(self, data: bytes) -> bytes: ...
        def end(self) -> bytes: ...


def with_cr(data: bytes) -> bytes:
    """The bytes with a CR put before each LF."""
    return data.replace(b"\n", b"\r\n")


def _in_letters(byte: int) -> bytes:
    """A byte as terminals show it: ``^A`` for 1, ``M-`` before those above 127."""
    if byte in b"\t\n":
        return b"%c" % byte
    if byte >= 128:
        low = byte & 127
        return b"M-" + (b"%c" % low if 32 <= low < 127 else b"^%c" % (low ^ 64))
    return b"%c" % byte if 32 <= byte < 127 else b"^%c" % (byte ^ 64)


IN_LETTERS = tuple(_in_letters(byte) for byte in range(256))
PLAIN = bytes([9, 10, *range(32, 127)])


class Visible:
    """Text for a terminal: no CR before LF, unprintable bytes in letters."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines = CrRemoved()

    def receive(self, data: bytes) -> bytes:
        """More bytes."""
        return _visible(self._lines.feed(data))

    def end(self) -> bytes:
        """What was held back."""
        return _visible(self._lines.end())


def _visible(data: bytes) -> bytes:
    if not data.translate(None, PLAIN):
        return data
    return b"".join([IN_LETTERS[byte] for byte in data])


class Body:
    """The lines after the first empty one, each with an LF, without the empty ones.

    COMPAT: an empty line of the body is dropped, too, as by the original's awk.
    """

    __slots__ = ("_in_body", "_lines", "_rest")

    def __init__(self) -> None:
        self._lines = CrRemoved()
        self._rest = b""
        self._in_body = False

    def receive(self, data: bytes) -> bytes:
        """More bytes; a line that is not whole waits."""
        text = self._rest + self._lines.feed(data)
        whole, newline, self._rest = text.rpartition(b"\n")
        return self._shown(whole) if newline else b""

    def end(self) -> bytes:
        """The line that has no LF."""
        last = self._rest + self._lines.end()
        return self._shown(last) if last else b""

    def _shown(self, text: bytes) -> bytes:
        """Of these lines those that count."""
        lines = text.split(b"\n")
        if not self._in_body:
            if b"" not in lines:
                return b""
            self._in_body = True
            lines = lines[lines.index(b"") :]
        return b"".join([line + b"\n" for line in lines if line])
