"""The address in the argument of MAIL and RCPT.

Grammar      RFC 821 4.1.2, read the way qmail-smtpd reads it: what stands between
             ``<`` and ``>``, else what follows the first ``:`` up to a space; a source
             route is dropped; quotes and backslashes are taken off; parameters behind
             the address are ignored.
"""

from __future__ import annotations

from pytools.base.ip import parse_ip4

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

MAX_ADDRESS = 899
"""Longer addresses are a syntax error."""

_LITERAL = len(b"[255.255.255.255]")


def parse_argument(
    argument: bytes, own_addresses: Container[bytes] = (), own_host: bytes | None = None
) -> bytes | None:
    """The address in ``argument``, or None when it is too long.

    ``own_host`` replaces an address literal in ``own_addresses`` (4 bytes each) behind
    the last ``@``.
    """
    opening = argument.find(b"<")
    if opening >= 0:
        text, end = argument[opening + 1 :], b">"
    else:
        text, end = argument.partition(b":")[2].lstrip(b" "), b" "
    if text.startswith(b"@"):
        text = text.partition(b":")[2]
    address = _unquoted(text, end)
    if own_host is not None:
        address = _localised(address, own_addresses, own_host)
    return address if len(address) <= MAX_ADDRESS else None


def _unquoted(text: bytes, end: bytes) -> bytes:
    plain = text.partition(end)[0]
    if b'"' not in plain and b"\\" not in plain:
        return plain
    out = bytearray()
    quoted = escaped = False
    for code in text:
        if escaped:
            out.append(code)
            escaped = False
        elif code == end[0] and not quoted:
            break
        elif code == 0x5C:  # backslash
            escaped = True
        elif code == 0x22:  # double quote
            quoted = not quoted
        else:
            out.append(code)
        # Too long whatever follows, even if it ends in a literal that is replaced.
        if len(out) > MAX_ADDRESS + _LITERAL:
            break
    return bytes(out)


def _localised(address: bytes, own_addresses: Container[bytes], host: bytes) -> bytes:
    at = address.rfind(b"@")
    domain = address[at + 1 :]
    if at < 0 or not domain.startswith(b"[") or not domain.endswith(b"]"):
        return address
    ip = parse_ip4(domain[1:-1])
    if ip is None or ip not in own_addresses:
        return address
    return address[: at + 1] + host
