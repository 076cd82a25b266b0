"""The message part of SMTP, between its lines on the wire and its lines on disk.

Wire         lines end in CR LF, a line's first dot is doubled, dot CR LF ends it all
             (RFC 5321 4.5.2).
Disk         lines end in LF.
Security     only CR LF "." CR LF ends a message, and a LF without CR before it is an
             error: a receiver that guesses there lets one message carry a second one
             past the sender's server (SMTP smuggling).

Both directions work on whole chunks, in memory and time that do not depend on how long
a line is.
"""

from __future__ import annotations

END = b"\r\n.\r\n"


class BareLineFeed(Exception):
    """A LF in the message without a CR before it."""


class Decoder:
    """Wire to disk: give it what came, take what it returns, until ``finished``.

    INVARIANT: what is held back is the longest proper prefix of CRLF "." CRLF that the
    input ends with, so 4 bytes at most. The message starts as if a CRLF had just come;
    ``_extra`` is that line end's LF, which is not part of the message.
    """

    __slots__ = ("_extra", "_held", "finished", "rest")

    def __init__(self) -> None:
        self._held = b"\r\n"
        self._extra = 1
        self.finished = False
        self.rest = b""
        """What came behind the end of the message, once ``finished``."""

    def feed(self, data: bytes) -> bytes:
        """Decode as much as is certain. Raises BareLineFeed."""
        wire = self._held + data
        end = wire.find(END)
        if end >= 0:
            self.finished = True
            self.rest = wire[end + len(END) :]
            wire = wire[: end + 2]
        else:
            keep = next(n for n in (4, 3, 2, 1, 0) if wire.endswith(END[:n]))
            self._held = END[:keep]
            wire = wire[: len(wire) - keep]
        lines = wire.replace(b"\r\n", b"\n")
        if wire.count(b"\n") != len(wire) - len(lines):
            raise BareLineFeed
        # COMPAT: the dot of a line that begins with dot CR, not followed by LF, stays.
        # Doubling it first makes it survive the removal.
        text = lines.replace(b"\n.\r", b"\n..\r").replace(b"\n.", b"\n")
        if text and self._extra:
            self._extra = 0
            return text[1:]
        return text


class Encoder:
    """Disk to wire: ``feed`` chunks, then ``finish``."""

    __slots__ = ("_at_line_start",)

    def __init__(self) -> None:
        self._at_line_start = True

    @property
    def is_partial(self) -> bool:
        """True while the last line has no LF: SMTP cannot carry such a message."""
        return not self._at_line_start

    def feed(self, data: bytes) -> bytes:
        """The wire form of the next part of the message."""
        if not data:
            return b""
        wire = data.replace(b"\n.", b"\n..").replace(b"\n", b"\r\n")
        if self._at_line_start and wire.startswith(b"."):
            wire = b"." + wire
        self._at_line_start = data.endswith(b"\n")
        return wire

    def finish(self) -> bytes:
        """The end mark; the message must end with a whole line."""
        if self.is_partial:
            raise ValueError("partial final line")
        return b".\r\n"
