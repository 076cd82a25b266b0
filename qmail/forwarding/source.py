"""Source files: their lines, and what they may not say (pure)."""

from __future__ import annotations


class Refused(Exception):
    """The text cannot be compiled: why, and the exit status that says it."""

    def __init__(self, reason: bytes, code: int = 111) -> None:
        super().__init__(reason, code)
        self.reason = reason
        self.code = code


def unparsable(line: bytes) -> Refused:
    """The refusal of a line that is no list of addresses."""
    return Refused(b"unable to parse this line: " + line.partition(b"\0")[0])


def lines(text: bytes) -> list[bytes]:
    """The lines with their LF; the last one may lack it."""
    *whole, rest = text.split(b"\n")
    found = [line + b"\n" for line in whole]
    return [*found, rest] if rest else found
