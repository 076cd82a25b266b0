"""What tcpserver writes on descriptor 2, to the byte.

Log analysers have been reading these lines since 1996. Quiet (0) writes nothing, normal
(1) errors, verbose (2) also a line for every event of a connection.
"""

from __future__ import annotations

from pytools.base.exits import TEMPORARY, Exit, complain, reason

QUIET, NORMAL, VERBOSE = 0, 1, 2
FIELD_BYTES = 100
PRINTED = bytes(c if 33 <= c <= 126 and c not in b"%:" else 63 for c in range(256))
"""Bytes of a field: ``?`` for what could be taken for the end of one."""
DROPPING = b"tcpserver: warning: dropping connection, "


def field(text: bytes | None) -> bytes:
    """One field of a line: printable, without colon, of bounded length."""
    if not text:
        return b""
    # COMPAT: a field of exactly this length gets the dots as well.
    if len(text) >= FIELD_BYTES:
        return text[:FIELD_BYTES].translate(PRINTED) + b"..."
    return text.translate(PRINTED)


class Log:
    """Writes the lines that the verbosity admits."""

    __slots__ = ("verbosity",)

    def __init__(self, verbosity: int) -> None:
        self.verbosity = verbosity

    def fatal(self, *parts: bytes, error: OSError | None = None) -> Exit:
        """The Exit of a server that cannot start; raise it."""
        return Exit(TEMPORARY, self._error(b"tcpserver: fatal: ", parts, error))

    def dropping(self, *parts: bytes, error: OSError | None = None) -> Exit:
        """The Exit of a child that cannot serve its connection; raise it."""
        return Exit(TEMPORARY, self._error(DROPPING, parts, error))

    def warn_dropping(self, *parts: bytes, error: OSError | None = None) -> None:
        """Say that a connection is dropped, and live on."""
        text = self._error(DROPPING, parts, error)
        if text:
            complain(text)

    def event(self, line: bytes) -> None:
        """A line of the verbose log."""
        if self.verbosity >= VERBOSE:
            complain(b"tcpserver: " + line)

    def _error(
        self, start: bytes, parts: tuple[bytes, ...], error: OSError | None
    ) -> bytes:
        if self.verbosity == QUIET:
            return b""
        text = start + b"".join(parts)
        return text if error is None else text + b": " + reason(error)
