"""Look-ups with dnspython; only where DESIGN lets it be loaded (the resolver child).

Servers      $DNSCACHEIP, else the nameservers of /etc/resolv.conf, else 127.0.0.1.
Names        in djb's dot form: lower case, no dot at the end, any other byte than a
             letter, a digit, ``-`` and ``_`` as a backslash and three octal digits.
Queries      with recursion, EDNS, TCP when an answer is truncated; never type ANY. A
             CNAME is followed, also when the server stops at it.
Patience     a server that says nothing is asked again until the limit of the name; where
             no server listens at all, a second round is enough to know.
"""

from __future__ import annotations

import asyncio  # noqa: TID253
import errno
import posix
import time

import dns.asyncresolver  # noqa: TID253
import dns.exception  # noqa: TID253
import dns.name  # noqa: TID253
import dns.rdatatype  # noqa: TID253
import dns.resolver  # noqa: TID253
import dns.reversename  # noqa: TID253

from pytools.base.environment import environ
from pytools.process.dnsanswers import DnsPermanent, DnsTemporary, bounded
from pytools.process.dnsserver import Server, nobody_listens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.process.dnsanswers import Answer, Enough, Query

LIMIT_SECONDS = 20.0
"""The whole look-up. COMPAT: the originals' four rounds, of 1, 3, 11 and 45 seconds, hold
a slot of tcpserver -c for a minute."""
TRY_SECONDS = 5.0
"""One server's time to answer one packet."""
ROUND_PAUSES = (0.0, 0.3)
"""Before each round of asking, where all the servers refuse: one may be restarting."""
SEARCHED = (b"host", b"host6")
"""Kinds whose names are tried with the search list of resolv.conf."""
CNAMES = 16
CACHED_ANSWERS = 10_000
UDP_BYTES = 1232
RESOLV_CONF = "/etc/resolv.conf"
TYPES = {
    b"a": dns.rdatatype.A,
    b"aaaa": dns.rdatatype.AAAA,
    b"host": dns.rdatatype.A,
    b"host6": dns.rdatatype.AAAA,
    b"mx": dns.rdatatype.MX,
    b"ptr": dns.rdatatype.PTR,
    b"txt": dns.rdatatype.TXT,
}
PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_")
OCTAL = frozenset(b"01234567")


def parse_servers(text: bytes) -> list[tuple[str, int]]:
    """The servers of $DNSCACHEIP: addresses with dots or blanks between them.

    ``10.0.0.1.10.0.0.2`` is two, as for the originals. An address may have a ``:port``.
    """
    servers = []
    for word in text.split():
        rest = word
        while rest := rest.lstrip(b"."):
            parts = rest.split(b".", 4)
            if len(parts) < 4:
                break
            last, _, port = parts[3].partition(b":")
            numbers = [*parts[:3], last]
            if not all(n.isdigit() and int(n) < 256 for n in numbers):
                break
            if port and not port.isdigit():
                break
            address = ".".join(str(int(n)) for n in numbers)
            servers.append((address, int(port) if port else 53))
            rest = parts[4] if len(parts) == 5 else b""
    return servers


def from_dot(text: bytes, absolute: bool = True) -> dns.name.Name:
    """The name that a text in dot form stands for. DnsPermanent if none does."""
    labels = []
    for part in text.removesuffix(b".").split(b".") if text != b"." else []:
        label = bytearray()
        at = 0
        while at < len(part):
            octal = part[at + 1 : at + 4]
            if part[at] == 92 and len(octal) == 3 and OCTAL.issuperset(octal):
                label.append(int(octal, 8) & 255)
                at += 4
            else:
                label.append(part[at])
                at += 1
        labels.append(bytes(label))
    if absolute or text.endswith(b"."):
        labels.append(b"")
    try:
        return dns.name.Name(labels)
    except dns.exception.DNSException:
        # An empty label, one over 63 bytes, a name over 255: it cannot exist.
        raise DnsPermanent from None


def to_dot(name: dns.name.Name) -> bytes:
    """A name in dot form."""
    shown = [
        b"".join(b"%c" % c if c in PLAIN else b"\\%03o" % c for c in label.lower())
        for label in name.labels
        if label
    ]
    return b".".join(shown) or b"."


def _question(
    kind: bytes, name: bytes
) -> tuple[dns.name.Name, dns.rdatatype.RdataType]:
    if kind not in TYPES:
        raise DnsTemporary
    if kind != b"ptr":
        return from_dot(name, absolute=kind not in SEARCHED), TYPES[kind]
    try:
        return dns.reversename.from_address(name.decode("ascii")), TYPES[kind]
    except (ValueError, dns.exception.DNSException):
        raise DnsPermanent from None


def _items(kind: bytes, answer: dns.resolver.Answer) -> list[bytes]:
    if kind == b"ptr":
        return [to_dot(r.target) for r in answer]
    if kind == b"mx":
        return [b"%d %b" % (r.preference, to_dot(r.exchange)) for r in answer]
    if kind == b"txt":
        return [b"".join(r.strings) for r in answer]
    return [r.address.encode("ascii") for r in answer]


class Names:
    """Where to ask: the servers, read again when resolv.conf changes."""

    __slots__ = ("_read", "_servers", "limit", "resolver")

    def __init__(
        self, servers: list[tuple[str, int]] | None, limit: float = LIMIT_SECONDS
    ) -> None:
        self.limit = limit
        self.resolver = dns.asyncresolver.Resolver(configure=False)
        self.resolver.timeout = TRY_SECONDS
        self.resolver.use_edns(0, 0, UDP_BYTES)
        self.resolver.cache = dns.resolver.LRUCache(CACHED_ANSWERS)
        self._servers = servers or parse_servers(environ.get(b"DNSCACHEIP", b""))
        self._read: object = None

    def refresh(self) -> None:
        """Take over what is new in resolv.conf."""
        try:
            seen = posix.stat(RESOLV_CONF)
            version: object = (seen.st_mtime_ns, seen.st_ino, seen.st_size)
        except OSError:
            version = "none"
        if version == self._read:
            return
        self._read = version
        try:
            self.resolver.read_resolv_conf(RESOLV_CONF)
            found = [(str(address), 53) for address in self.resolver.nameservers]
        except (dns.exception.DNSException, OSError, ValueError):
            found = [("127.0.0.1", 53)]
        servers = self._servers or found
        self.resolver.nameservers = [Server(*server) for server in servers]


async def answer(names: Names, kind: bytes, name: bytes) -> Answer:
    """Look a name up, letting other look-ups go on meanwhile."""
    names.refresh()
    try:
        return bounded(await _look_up(names, kind, name))
    except DnsPermanent:
        return DnsPermanent()
    except DnsTemporary as failure:
        return failure


async def answer_many(
    names: Names, queries: list[Query], seconds: float, enough: Enough
) -> list[Answer | None]:
    """Look all of them up at once; None for what was not waited for."""
    answers: list[Answer | None] = [None] * len(queries)

    async def one(index: int) -> None:
        answers[index] = await answer(names, *queries[index])

    deadline = time.monotonic() + seconds
    waiting = {asyncio.create_task(one(index)) for index in range(len(queries))}
    while waiting and not enough(answers) and (left := deadline - time.monotonic()) > 0:
        done, waiting = await asyncio.wait(
            waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            task.result()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return answers


async def _look_up(names: Names, kind: bytes, name: bytes) -> list[bytes]:
    """The items of a name. DnsPermanent, DnsTemporary."""
    deadline = time.monotonic() + names.limit
    wanted, rdtype = _question(kind, name)
    for _ in range(CNAMES):
        found = await _ask(names, wanted, rdtype, kind in SEARCHED, deadline)
        if found.rrset is not None:
            return _items(kind, found)
        if found.canonical_name in (wanted, found.qname):
            return []
        wanted = found.canonical_name
    raise DnsTemporary(errno.EAGAIN)


async def _ask(
    names: Names,
    wanted: dns.name.Name,
    rdtype: dns.rdatatype.RdataType,
    search: bool,
    deadline: float,
) -> dns.resolver.Answer:
    """One question, asked again where nobody listens. DnsPermanent, DnsTemporary."""
    failure: Exception = DnsTemporary()
    for pause in ROUND_PAUSES:
        if pause:
            await asyncio.sleep(pause)
        try:
            return await names.resolver.resolve(
                wanted,
                rdtype,
                raise_on_no_answer=False,
                search=search,
                lifetime=deadline - time.monotonic(),
            )
        except (dns.exception.DNSException, OSError) as error:
            failure = translated(error)
            if not nobody_listens(error):
                break
    raise failure from None


def translated(error: Exception) -> Exception:
    """What a failure of dnspython means to those who ask."""
    if isinstance(error, dns.resolver.NXDOMAIN | dns.resolver.YXDOMAIN):
        return DnsPermanent()
    if isinstance(error, dns.exception.Timeout):
        return DnsTemporary(errno.ETIMEDOUT)
    cause = error if isinstance(error, OSError) else nobody_listens(error)
    number = cause.errno if cause and cause.errno else 0
    # getaddrinfo's own numbers are negative.
    return DnsTemporary(number if number > 0 else errno.EAGAIN)
