"""The Received line of a server that takes mail from the network."""

from __future__ import annotations

from qmail.mail.dates import rfc822

_SAFE = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.@%+/=:-"
)
_TO_SAFE = bytes(byte if byte in _SAFE else ord("?") for byte in range(256))


def safe(text: bytes) -> bytes:
    """What a stranger said, with ``?`` for everything that could mislead a reader."""
    return text.translate(_TO_SAFE)


def received(
    protocol: bytes,
    *,
    local: bytes,
    remote_ip: bytes,
    remote_host: bytes,
    remote_info: bytes | None,
    helo: bytes | None,
    now: int,
) -> bytes:
    """The line, with its LF.

    ``helo`` is what the client calls itself, None when that is ``remote_host`` too.
    """
    claim = b"" if helo is None else b" (HELO %b)" % safe(helo)
    info = b"" if remote_info is None else safe(remote_info) + b"@"
    return b"Received: from %b%b (%b%b)\n  by %b with %b; %b\n" % (
        safe(remote_host),
        claim,
        info,
        safe(remote_ip),
        safe(local),
        protocol,
        rfc822(now),
    )
