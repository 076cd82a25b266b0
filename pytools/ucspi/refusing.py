"""The SMTP session with a client that is not wanted (pure).

Contract     HELO, EHLO, MAIL, RSET and NOOP are accepted, QUIT ends the session, and
             every other command is answered with the reason: so each recipient is
             refused, and the sender gets to know why.
Bounds       SECURITY: of a line no more is kept than a command needs to be known by, and
             the reason is at most ``TEXT_BYTES`` of printable characters.
"""

from __future__ import annotations

NAME = b"rblsmtpd.local"
GREETING = b"220 " + NAME + b"\r\n"
ACCEPTED = b"250 " + NAME + b"\r\n"
GOODBYE = b"221 " + NAME + b"\r\n"
HARMLESS = (b"HELO", b"EHLO", b"MAIL", b"RSET", b"NOOP")

TEXT_BYTES = 200
PRINTED = bytes(c if 32 <= c <= 126 else 63 for c in range(256))
LINE_BYTES = 64
"""More than any command that is known here has before its first blank."""


def refusal(code: bytes, text: bytes) -> bytes:
    """The line, without its end, that every recipient gets."""
    return (code + b" " + text[:TEXT_BYTES]).translate(PRINTED)


class Session:
    """Commands in, replies out; ``is_over`` after QUIT."""

    __slots__ = ("_line", "_refusal", "is_over")

    def __init__(self, refusal: bytes) -> None:
        self._refusal = refusal + b"\r\n"
        self._line = b""
        self.is_over = False

    def receive(self, data: bytes) -> list[bytes]:
        """Take bytes of the client; a reply for every line that is complete."""
        replies = []
        while not self.is_over:
            piece, newline, data = data.partition(b"\n")
            self._line = (self._line + piece)[:LINE_BYTES]
            if not newline:
                break
            replies.append(self._reply_to(self._line))
            self._line = b""
        return replies

    def _reply_to(self, line: bytes) -> bytes:
        verb = line.removesuffix(b"\r").partition(b" ")[0].upper()
        if verb == b"QUIT":
            self.is_over = True
            return GOODBYE
        return ACCEPTED if verb in HARMLESS else self._refusal
