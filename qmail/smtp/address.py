"""The address in the argument of MAIL and RCPT.

Grammar      RFC 821 4.1.2, read the way qmail-smtpd reads it: what stands between
             ``<`` and ``>``, else what follows the first ``:`` up to a space; a source
             route is dropped; quotes and backslashes are taken off. What stands behind
             the address are its parameters.
"""

from __future__ import annotations

from pytools.base.ip import parse_literal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

MAX_ADDRESS = 899
"""Longer addresses are a syntax error."""

# Taken off before the length is looked at, when it is an address of this machine.
_LITERAL = len(b"[IPv6:ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]")


def parse_argument(
    argument: bytes, own_addresses: Container[bytes] = (), own_host: bytes | None = None
) -> tuple[bytes | None, bytes]:
    """(address, parameters) of ``argument``; the address is None when it is too long.

    ``own_host`` replaces an address literal in ``own_addresses`` (4 or 16 bytes each)
    behind the last ``@``.
    """
    opening = argument.find(b"<")
    if opening >= 0:
        text, end = argument[opening + 1 :], b">"
    else:
        text, end = argument.partition(b":")[2].lstrip(b" "), b" "
    if text.startswith(b"@"):
        text = text.partition(b":")[2]
    address, parameters = _unquoted(text, end)
    if own_host is not None:
        address = _localised(address, own_addresses, own_host)
    return (address if len(address) <= MAX_ADDRESS else None), parameters


def _unquoted(text: bytes, end: bytes) -> tuple[bytes, bytes]:
    """The text up to ``end``, without its quotes, and what is behind ``end``."""
    plain, _, behind = text.partition(end)
    if b'"' not in plain and b"\\" not in plain:
        return plain, behind
    out = bytearray()
    quoted = escaped = False
    for at, code in enumerate(text):
        if escaped:
            out.append(code)
            escaped = False
        elif code == end[0] and not quoted:
            return bytes(out), text[at + 1 :]
        elif code == 0x5C:  # backslash
            escaped = True
        elif code == 0x22:  # double quote
            quoted = not quoted
        else:
            out.append(code)
        # Too long whatever follows, even if it ends in a literal that is replaced.
        if len(out) > MAX_ADDRESS + _LITERAL:
            break
    return bytes(out), b""


def _localised(address: bytes, own_addresses: Container[bytes], host: bytes) -> bytes:
    at = address.rfind(b"@")
    ip = parse_literal(address[at + 1 :]) if at >= 0 else None
    if ip is None or ip not in own_addresses:
        return address
    return address[: at + 1] + host
