"""The spawners' side of the conversation: pure.

A command is the delivery number, ``split/qnum`` NUL, sender NUL, recipient NUL; a
report is the delivery number, a letter K, Z or D and text, NUL. The number is one
byte and may itself be NUL.
"""

from __future__ import annotations

MAX_REPORT = 10000
"""Bytes kept of one report. SECURITY: qmail-rspawn repeats what strangers say."""

SUCCESS = b"K"
DEFERRAL = b"Z"
FAILURE = b"D"


def encode_command(
    number: int, message: bytes, sender: bytes, recipient: bytes
) -> bytes:
    """The command that starts a delivery."""
    return b"%c%b\0%b\0%b\0" % (number, message, sender, recipient)


class ReportReader:
    """Bytes from a spawner in, whole reports out."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        # INVARIANT: at most MAX_REPORT bytes of one unfinished report.
        self._held = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes, bytes]]:
        """The reports that ``data`` completes: (delivery number, letter, text)."""
        reports = []
        at = 0
        held = self._held
        while True:
            # The first byte is a number, so the end is looked for after it.
            end = data.find(b"\0", at if held else at + 1)
            if end < 0:
                break
            record = (held + data[at:end])[:MAX_REPORT]
            reports.append((record[0], record[1:2], record[2:]))
            held = b""
            at = end + 1
        self._held = (held + data[at:])[:MAX_REPORT]
        return reports
