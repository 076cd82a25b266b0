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
import posix
import time

import dns.asyncresolver  # noqa: TID253
import dns.exception  # noqa: TID253
import dns.name  # noqa: TID253
import dns.rdatatype  # noqa: TID253
import dns.resolver  # noqa: TID253
import dns.reversename  # noqa: TID253

from pytools.base.environment import environ
from pytools.base.netstring import encode
from pytools.process.dnsserver import Server, nobody_listens
from pytools.process.resolver import DnsPermanent, DnsTemporary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    Question = tuple[dns.name.Name, dns.rdatatype.RdataType]
    Lookup = Generator[tuple[float, Question], dns.resolver.Answer, list[bytes]]
    """What to wait and to ask, the answer or an error thrown in, and the items."""

LIMIT_SECONDS = 20.0
"""The whole look-up. COMPAT: the originals' four rounds, of 1, 3, 11 and 45 seconds, hold
a slot of tcpserver -c for a minute."""
TRY_SECONDS = 5.0
"""One server's time to answer one packet."""
ROUND_PAUSES = (0.0, 0.3)
"""Before each round of asking, where all the servers refuse: one may be restarting."""
CNAMES = 16
CACHED_ANSWERS = 10_000
UDP_BYTES = 1232
RESOLV_CONF = "/etc/resolv.conf"
TYPES = {
    b"a": dns.rdatatype.A,
    b"aaaa": dns.rdatatype.AAAA,
    b"host": dns.rdatatype.A,
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


def _question(kind: bytes, name: bytes) -> Question:
    if kind not in TYPES:
        raise DnsTemporary
    if kind != b"ptr":
        return from_dot(name, absolute=kind != b"host"), TYPES[kind]
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


def _look_up(kind: bytes, name: bytes) -> Lookup:
    """The questions of a look-up, one after the other, without any I/O."""
    wanted, rdtype = _question(kind, name)
    for _ in range(CNAMES):
        answer = yield from _asked((wanted, rdtype))
        if answer.rrset is not None:
            return _items(kind, answer)
        if answer.canonical_name in (wanted, answer.qname):
            return []
        wanted = answer.canonical_name
    raise DnsTemporary


def _asked(
    question: Question,
) -> Generator[tuple[float, Question], dns.resolver.Answer, dns.resolver.Answer]:
    """One question, asked again where nobody listens. DnsPermanent, DnsTemporary."""
    for pause in ROUND_PAUSES:
        try:
            return (yield pause, question)
        except (dns.exception.DNSException, OSError) as error:
            if not nobody_listens(error):
                raise translated(error) from None
    raise DnsTemporary


def translated(error: Exception) -> Exception:
    """What a failure of dnspython means to those who ask."""
    if isinstance(error, dns.resolver.NXDOMAIN | dns.resolver.YXDOMAIN):
        return DnsPermanent()
    return DnsTemporary()


class Names:
    """Where to ask: the servers, read again when resolv.conf changes."""

    __slots__ = ("_read", "_servers", "blocking", "limit", "waiting")

    def __init__(
        self, servers: list[tuple[str, int]] | None, limit: float = LIMIT_SECONDS
    ) -> None:
        self.limit = limit
        self.blocking = dns.resolver.Resolver(configure=False)
        self.waiting = dns.asyncresolver.Resolver(configure=False)
        self._servers = servers or parse_servers(environ.get(b"DNSCACHEIP", b""))
        self._read: object = None
        for resolver in (self.blocking, self.waiting):
            resolver.timeout = TRY_SECONDS
            resolver.use_edns(0, 0, UDP_BYTES)
            resolver.cache = dns.resolver.LRUCache(CACHED_ANSWERS)

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
        for resolver in (self.blocking, self.waiting):
            try:
                resolver.read_resolv_conf(RESOLV_CONF)
                found = [(str(address), 53) for address in resolver.nameservers]
            except (dns.exception.DNSException, OSError, ValueError):
                found = [("127.0.0.1", 53)]
            servers = self._servers or found
            resolver.nameservers = [Server(*server) for server in servers]


def answer(names: Names, kind: bytes, name: bytes) -> bytes:
    """Look up, waiting; the encoded answer."""
    names.refresh()
    deadline = time.monotonic() + names.limit
    lookup = _look_up(kind, name)
    try:
        pause, question = next(lookup)
        while True:
            if pause:
                time.sleep(pause)
            try:
                found = names.blocking.resolve(
                    *question,
                    raise_on_no_answer=False,
                    search=kind == b"host",
                    lifetime=deadline - time.monotonic(),
                )
            except (dns.exception.DNSException, OSError) as error:
                pause, question = lookup.throw(error)
            else:
                pause, question = lookup.send(found)
    except StopIteration as end:
        return encode_answer(end.value)
    except DnsPermanent:
        return encode(b"D")
    except DnsTemporary:
        return encode(b"Z")


async def answer_soon(names: Names, kind: bytes, name: bytes) -> bytes:
    """Look up, letting other look-ups go on meanwhile; the encoded answer."""
    names.refresh()
    deadline = time.monotonic() + names.limit
    lookup = _look_up(kind, name)
    try:
        pause, question = next(lookup)
        while True:
            if pause:
                await asyncio.sleep(pause)
            try:
                found = await names.waiting.resolve(
                    *question,
                    raise_on_no_answer=False,
                    search=kind == b"host",
                    lifetime=deadline - time.monotonic(),
                )
            except (dns.exception.DNSException, OSError) as error:
                pause, question = lookup.throw(error)
            else:
                pause, question = lookup.send(found)
    except StopIteration as end:
        return encode_answer(end.value)
    except DnsPermanent:
        return encode(b"D")
    except DnsTemporary:
        return encode(b"Z")


def encode_answer(items: list[bytes]) -> bytes:
    """An answer that read_answer understands."""
    return encode(b"K") + b"".join(encode(item) for item in items)
