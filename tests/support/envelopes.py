"""Envelopes as qmail-queue stores them, for tests that put mail into a queue themselves."""

from __future__ import annotations

from collections.abc import Iterable

from qmail.queue.envelope import encode_recipient


def encode_todo(
    uid: int, pid: int, sender: bytes, recipients: Iterable[bytes]
) -> bytes:
    """The content of todo/N; addresses must be free of NUL."""
    head = b"u%d\0p%d\0F%b\0" % (uid, pid, sender)
    return head + b"".join(map(encode_recipient, recipients))
