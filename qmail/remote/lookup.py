"""Asking DNS where mail for a host goes.

Questions    MX, then A and AAAA of all that it names, at once; never ANY.
Order        by preference (RFC 5321 5.1); of one exchanger, IPv4 before IPv6: mail goes
             as it went before there was IPv6, which helps where IPv4 does not lead.
COMPAT: recipients' domains are sent as they are. The original looked for a CNAME with a
query for ANY, which today's servers do not answer (RFC 8482), and wrote the name it
found into the address; since RFC 5321 nobody asks for that. An MX or address found by
way of a CNAME counts.
"""

from __future__ import annotations

import posix

from pytools.base.ip import parse, parse_ip4, parse_literal, unmapped
from pytools.process import resolver
from pytools.process.resolver import DnsPermanent, DnsTemporary
from qmail.remote.mx import Server, in_order

LITERAL_PREFERENCE = 0
EXCHANGERS = 100
"""So many, the best, are looked at; a domain that names more has no use for the rest."""
ROOT = frozenset({b"", b"."})


class NoHost(Exception):
    """There is no host of that name."""


class NoAnswer(Exception):
    """DNS does not answer at the moment."""


class NoMail(Exception):
    """The host says that it takes no mail: its exchanger is the root (RFC 7505)."""


def literal(host: bytes) -> bytes | None:
    """The 4 or 16 bytes of an address that stands for a host, or None.

    ``1.2.3.4``, ``[1.2.3.4]``, and as RFC 5321 4.1.3 has it ``[IPv6:2001:db8::1]``;
    without the tag, too, as tcpserver and others write it.
    """
    if not host.startswith(b"["):
        return parse_ip4(host)
    return parse_literal(host) or parse_literal(b"[IPv6:" + host[1:])


def relay_servers(host: bytes) -> list[Server]:
    """The addresses of a relay. Raises NoHost, NoAnswer."""
    ip = literal(host)
    if ip is not None:
        return [Server(LITERAL_PREFERENCE, ip)]
    (found,) = _addresses([host])
    if found is None:
        raise NoAnswer
    if not found:
        raise NoHost
    return [Server(LITERAL_PREFERENCE, ip) for ip in found]


def mail_servers(host: bytes) -> tuple[list[Server], int | None]:
    """(the servers for mail to ``host``, the best preference that has no answer).

    Best first, each address once. The preference is that of an exchanger whose
    addresses DNS does not tell at the moment, and None if there is none. Raises NoHost,
    NoAnswer, NoMail. An empty list: there are exchangers, and none of them has an
    address.
    """
    ip = literal(host)
    if ip is not None:
        return [Server(LITERAL_PREFERENCE, ip)], None
    try:
        exchangers = resolver.mx(host)
    except DnsPermanent:
        exchangers = []
    except DnsTemporary:
        raise NoAnswer from None
    if not exchangers:
        return relay_servers(host), None
    # The root beside others means nothing (RFC 7505 3).
    named = [item for item in exchangers if item[1] not in ROOT]
    if not named:
        raise NoMail
    best = in_order(named, lambda: posix.urandom(4))[:EXCHANGERS]
    servers: dict[bytes, Server] = {}
    unanswered: int | None = None
    found = _addresses([name for _, name in best])
    for (preference, _), addresses in zip(best, found, strict=True):
        if addresses is None and unanswered is None:
            unanswered = preference
        for address in addresses or ():
            servers.setdefault(address, Server(preference, address))
    if not servers and unanswered is not None:
        raise NoAnswer
    return list(servers.values()), unanswered


def _addresses(names: list[bytes]) -> list[list[bytes] | None]:
    """The addresses of each name; None if DNS has none and may have some later."""
    # COMPAT: an exchanger that is an address in place of a name has its record's
    # preference; the original gives it 0, whatever it was.
    literals = [literal(name) for name in names]
    asked = [name for name, ip in zip(names, literals, strict=True) if ip is None]
    queries = [(kind, name) for name in asked for kind in (b"a", b"aaaa")]
    answers = iter(resolver.ask_many(queries) if queries else ())
    found: list[list[bytes] | None] = []
    for ip in literals:
        if ip is not None:
            found.append([ip])
            continue
        pair = (next(answers), next(answers))
        texts = [text for answer in pair if isinstance(answer, list) for text in answer]
        addresses = [unmapped(ip) for text in texts if (ip := parse(text)) is not None]
        is_known = all(isinstance(answer, list | DnsPermanent) for answer in pair)
        found.append(addresses if addresses or is_known else None)
    return found
