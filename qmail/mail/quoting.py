"""Addresses as they are written in mail: RFC 822 quoting of a local part."""

from __future__ import annotations

# The characters of an RFC 822 atom, and the dot between atoms.
_PLAIN = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    b"!#$%&'*+-/=?^_`{|}~."
)


def needs_quotes(local: bytes) -> bool:
    """True if ``local`` is not a dot-separated list of RFC 822 atoms."""
    if not local or not _PLAIN.issuperset(local):
        return True
    return local.startswith(b".") or local.endswith(b".") or b".." in local


def quote_local(local: bytes) -> bytes:
    """The local part, as a quoted-string if it must be one (RFC 822 section 3.3)."""
    if not needs_quotes(local):
        return local
    escaped = bytearray(b'"')
    for byte in local:
        if byte in b'\r\n"\\':
            escaped += b"\\"
        escaped.append(byte)
    escaped += b'"'
    return bytes(escaped)


def quote_address(address: bytes) -> bytes:
    """An envelope address as it may stand between ``<`` and ``>``.

    The domain is what follows the last ``@``; an address without one is all local part.
    The empty address stays empty.
    """
    if not address:
        return b""
    local, at, domain = address.rpartition(b"@")
    return quote_local(local) + at + domain if at else quote_local(domain)
