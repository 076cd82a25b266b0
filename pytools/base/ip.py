"""IP addresses between their text and their bytes."""

from __future__ import annotations


def parse_ip4(text: bytes) -> bytes | None:
    """The 4 bytes of dotted-decimal ``text``, or None if it is not exactly that."""
    parts = text.split(b".")
    if len(parts) != 4:
        return None
    if not all(part.isdigit() and len(part) <= 3 and int(part) < 256 for part in parts):
        return None
    return bytes(int(part) for part in parts)


def format_ip4(address: bytes) -> bytes:
    """Dotted decimal of 4 bytes."""
    return b"%d.%d.%d.%d" % tuple(address)
