"""The message part of SMTP, between its lines on the wire and its lines on disk.

Wire         lines end in CR LF, a line's first dot is doubled, dot CR LF ends it all
             (RFC 5321 4.5.2).
Disk         lines end in LF.
Security     only CR LF "." CR LF ends a message, and a LF without CR before it is an
             error: a receiver that guesses there lets one message carry a second one
             past the sender's server. smtp-smuggling(7).

Both directions work on whole chunks, in memory and time that do not depend on how long
a line is.
"""

from __future__ import annotations

END = b"\r\n.\r\n"

_TO_TEXT = bytes.maketrans(b"\r\0", b"  ")


class Decoder:
    """Wire to disk: give it what came, take what it returns, until ``finished``.

    INVARIANT: what is held back is the longest proper prefix of CRLF "." CRLF that the
    input ends with, so 4 bytes at most. The message starts as if a CRLF had just come;
    ``_extra`` is that line end's LF, which is not part of the message.

    SECURITY: once there was a LF without CR, the message ends where any receiver would
    see its end: at the first line that is a dot alone, whichever of both line ends is
    before and behind it. So the sender is heard out, and can hear why it is refused;
    what comes behind may be text or commands, and nobody is to look at it.
    COMPAT: the original answers 451 at the LF, and hangs up on a client that is still
    writing; it mostly does not hear that, and always tries again.
    """

    __slots__ = ("_extra", "_held", "finished", "is_malformed", "rest")

    def __init__(self) -> None:
        self._held = b"\r\n"
        self._extra = 1
        self.finished = False
        self.is_malformed = False
        """True once there was a LF without CR: nothing is returned any more."""
        self.rest = b""
        """What came behind the end of the message, once ``finished``."""

    def feed(self, data: bytes) -> bytes:
        """Decode as much as is certain."""
        wire = self._held + data
        if self.is_malformed:
            return self._skip(wire)
        end = wire.find(END)
        whole = wire
        if end >= 0:
            wire = wire[: end + 2]
        else:
            keep = next(n for n in (4, 3, 2, 1, 0) if wire.endswith(END[:n]))
            wire = wire[: len(wire) - keep]
        lines = wire.replace(b"\r\n", b"\n")
        if wire.count(b"\n") != len(wire) - len(lines):
            self.is_malformed = True
            return self._skip(whole)
        if end >= 0:
            self.finished = True
            self.rest = whole[end + len(END) :]
        else:
            self._held = END[:keep]
        # COMPAT: the dot of a line that begins with dot CR, not followed by LF, stays.
        # Doubling it first makes it survive the removal.
        text = lines.replace(b"\n.\r", b"\n..\r").replace(b"\n.", b"\n")
        if text and self._extra:
            self._extra = 0
            return text[1:]
        return text

    def _skip(self, wire: bytes) -> bytes:
        # The longest beginning of a dot alone that the input may end with.
        self._held = wire[-3:]
        self.finished = b"\n.\n" in wire or b"\n.\r\n" in wire
        return b""


class Encoder:
    """Disk to wire: ``feed`` chunks, then ``finish``.

    SECURITY: receivers differ in what ends a line. In what is returned a CR stands only
    before a LF, a LF only behind a CR, and no NUL is there for anybody to leave out: all
    of them see the same lines, and none of these is a dot alone. smtp-smuggling(7).
    COMPAT: a CR before a stored line's LF belongs to the line end; every other CR, and
    NUL, goes out as a space. The original sends all of them as they are.
    """

    __slots__ = ("_at_line_start", "_held")

    def __init__(self) -> None:
        self._at_line_start = True
        self._held = b""
        """The CR that the input ends with: what follows says what it is."""

    @property
    def is_partial(self) -> bool:
        """True while the last line has no LF: SMTP cannot carry such a message."""
        return not self._at_line_start or bool(self._held)

    def feed(self, data: bytes) -> bytes:
        """The wire form of the next part of the message."""
        if not data:
            return b""
        lines = data
        # Three copies less where there is nothing to mend, which is nearly always.
        if self._held or b"\r" in data or b"\0" in data:
            lines = self._mended(data)
            if not lines:
                return b""
        wire = lines.replace(b"\n.", b"\n..").replace(b"\n", b"\r\n")
        if self._at_line_start and wire.startswith(b"."):
            wire = b"." + wire
        self._at_line_start = lines.endswith(b"\n")
        return wire

    def _mended(self, data: bytes) -> bytes:
        """Whole lines' CR left out, other CR and NUL as spaces."""
        data = self._held + data
        self._held = b""
        if data.endswith(b"\r"):
            self._held = b"\r"
            data = data[:-1]
        return data.replace(b"\r\n", b"\n").translate(_TO_TEXT)

    def finish(self) -> bytes:
        """The end mark; the message must end with a whole line."""
        if self.is_partial:
            raise ValueError("partial final line")
        return b".\r\n"


class Measure:
    """What a server may want to know before the message comes: ``feed`` all of it."""

    __slots__ = ("_after_cr", "is_8bit", "size")

    def __init__(self) -> None:
        self._after_cr = False
        self.size = 0
        """Bytes on the wire, without the doubling of dots and the end mark (RFC 1870
        3): what ``Encoder`` makes of the message."""
        self.is_8bit = False
        """True once there was a byte above 127."""

    def feed(self, data: bytes) -> None:
        """Take the next part of the message."""
        if not data:
            return
        self.size += len(data) + data.count(b"\n")
        if b"\r" in data:
            self.size -= data.count(b"\r\n")
        if self._after_cr and data.startswith(b"\n"):
            self.size -= 1
        self._after_cr = data.endswith(b"\r")
        self.is_8bit = self.is_8bit or not data.isascii()
