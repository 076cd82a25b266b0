"""Asking DNS where mail for a host goes.

COMPAT: recipients' domains are sent as they are. The original looked for a CNAME with a
query for ANY, which today's servers do not answer (RFC 8482).
"""

from __future__ import annotations

import posix

from pytools.base.ip import parse_ip4
from pytools.process import resolver
from pytools.process.resolver import DnsPermanent, DnsTemporary
from qmail.remote.mx import Server, in_order

LITERAL_PREFERENCE = 0


class NoHost(Exception):
    """There is no host of that name."""


class NoAnswer(Exception):
    """DNS does not answer at the moment."""


def literal(host: bytes) -> bytes | None:
    """The 4 bytes of ``1.2.3.4`` or ``[1.2.3.4]``, or None."""
    if host.startswith(b"[") and host.endswith(b"]"):
        host = host[1:-1]
    return parse_ip4(host)


def relay_servers(host: bytes) -> list[Server]:
    """The addresses of a relay. Raises NoHost, NoAnswer."""
    ip = literal(host)
    if ip is not None:
        return [Server(LITERAL_PREFERENCE, ip)]
    try:
        return [Server(LITERAL_PREFERENCE, ip) for ip in _addresses(host)]
    except DnsPermanent:
        raise NoHost from None
    except DnsTemporary:
        raise NoAnswer from None


def mail_servers(host: bytes) -> list[Server]:
    """The servers for mail to ``host``, best first. Raises NoHost, NoAnswer.

    An empty list: there are exchangers, and none of them has an address.
    """
    ip = literal(host)
    if ip is not None:
        return [Server(LITERAL_PREFERENCE, ip)]
    try:
        exchangers = resolver.mx(host)
    except DnsPermanent:
        exchangers = []
    except DnsTemporary:
        raise NoAnswer from None
    if not exchangers:
        return relay_servers(host)
    servers: list[Server] = []
    is_complete = True
    for preference, name in in_order(exchangers, lambda: posix.urandom(4)):
        try:
            servers += _exchanger(preference, name)
        except DnsTemporary:
            is_complete = False
    if not servers and not is_complete:
        raise NoAnswer
    return servers


def _exchanger(preference: int, name: bytes) -> list[Server]:
    if name in {b"", b"."}:  # RFC 7505: this host takes no mail
        return []
    ip = literal(name)
    if ip is not None:
        # COMPAT: the preference of an exchanger given as an address is not looked at.
        return [Server(LITERAL_PREFERENCE, ip)]
    try:
        return [Server(preference, ip) for ip in _addresses(name)]
    except DnsPermanent:
        return []


def _addresses(name: bytes) -> list[bytes]:
    texts = resolver.a(name)
    if not texts:
        raise DnsPermanent
    return [ip for text in texts if (ip := parse_ip4(text)) is not None]
