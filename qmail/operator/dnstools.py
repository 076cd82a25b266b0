"""The tools of the original's build: what this machine's names and addresses are.

They are not installed, as the original's are not: a ``hostname`` in the qmail home's
bin would stand before the system's in the guide's PATH. ``package/tools/dnsip NAME``
runs one, and so does ``./dnsip NAME`` in the tree of a tarball.

Exits        0; 100 for "hard error" and for a missing argument, about which nothing is
             said; 111 for "soft error". The errors go to descriptor 2.
COMPAT       no query for ANY, which today's servers do not answer (RFC 8482), and no
             answer is too long. A chain of CNAME records is followed where the server
             leaves that to us, and is a hard error if it leads to no address. Names are
             printed in lower case, the addresses of this machine in order. What cannot be
             written is 111; the original says 0.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from pytools.base.ip import format_ip4
from pytools.process import resolver
from pytools.process.dnsanswers import DnsPermanent, DnsTemporary
from qmail.control import ipme
from qmail.operator import runtime
from qmail.operator.places import HOME, Places

ALIASES = 10
"""How many CNAME records dnscname follows before it calls them a loop."""


def scan_ip(text: bytes) -> tuple[int, bytes]:
    """An address at the start of a text: how long it is there, 0 if it is none.

    COMPAT: a number over 255 counts modulo 256. What is there of an address that is
    none is kept, as dnsptr of the original keeps it.
    """
    ip = bytearray(4)
    at = 0
    for index in range(4):
        end = at
        while text[end : end + 1].isdigit():
            end += 1
        if end == at:
            return 0, bytes(ip)
        # More digits than eight change nothing: 256 divides 10 to the 8th.
        ip[index] = int(text[max(at, end - 8) : end]) % 256
        if index == 3:
            return end, bytes(ip)
        if text[end : end + 1] != b".":
            return 0, bytes(ip)
        at = end + 1
    raise AssertionError


def literal(host: bytes) -> bytes | None:
    """The address that ``1.2.3.4`` or ``[1.2.3.4]`` is, as text."""
    if host.startswith(b"[") and host.endswith(b"]"):
        host = host[1:-1]
    length, ip = scan_ip(host)
    return format_ip4(ip) if length and length == len(host) else None


def addresses(host: bytes, ask: Callable[[bytes], list[bytes]]) -> list[bytes]:
    """The IPv4 addresses of a host, as text. DnsPermanent, DnsTemporary."""
    ip = literal(host)
    found = [ip] if ip is not None else ask(host.removesuffix(b"."))
    if not found:
        raise DnsPermanent
    return found


def dnsip(host: bytes) -> Iterator[bytes]:
    """The addresses of a host."""
    yield from addresses(host, resolver.a)


def dnsptr(ip: bytes) -> Iterator[bytes]:
    """The name of an address."""
    names = resolver.ptr(format_ip4(scan_ip(ip)[1]))
    if not names:
        raise DnsPermanent
    yield names[0]


def dnsfq(host: bytes) -> Iterator[bytes]:
    """The name of the first address of a host, which resolv.conf may complete.

    A name that ends with a dot is complete.
    """
    ask = resolver.a if host.endswith(b".") else resolver.qualified
    return dnsptr(addresses(host, ask)[0])


def dnsmxip(host: bytes) -> Iterator[bytes]:
    """The addresses that mail for a host goes to, and the preference of each."""
    ip = literal(host)
    exchangers: list[tuple[int, bytes]] = []
    if ip is None:
        try:
            exchangers = resolver.mx(host.removesuffix(b"."))
        except DnsPermanent:
            pass
    if not exchangers:
        for ip in addresses(host, resolver.a):
            yield ip + b" 0"
    # Which of equals goes first the original draws by lot, and so does qmail-remote.
    for preference, name in sorted(exchangers, key=lambda exchanger: exchanger[0]):
        shown = 0 if literal(name) is not None else preference
        try:
            found = addresses(name, resolver.a) if name not in (b"", b".") else []
        except (DnsPermanent, DnsTemporary):
            continue
        for ip in found:
            yield b"%b %d" % (ip, shown)


def dnscname(host: bytes) -> Iterator[bytes]:
    """The name that a host's CNAME records lead to: its own, if it has none."""
    for _ in range(ALIASES):
        if not host or host.endswith(b"]"):
            break
        if host.endswith(b"."):
            host = host[:-1]
            continue
        alias = alias_of(host)
        if alias is None:
            break
        host = alias
    else:
        raise DnsPermanent
    yield host


def alias_of(host: bytes) -> bytes | None:
    """What a CNAME record says that a name stands for. DnsTemporary."""
    # Of all programs this one alone asks for such a record; dnspython comes late
    # because find_library must have been run.
    import asyncio

    import dns.exception

    from pytools.process import dnsnames

    names = dnsnames.Names(None)
    names.refresh()
    try:
        answer = asyncio.run(
            names.resolver.resolve(
                dnsnames.from_dot(host),
                "CNAME",
                raise_on_no_answer=False,
                lifetime=names.limit,
            )
        )
    except (dns.exception.DNSException, OSError) as error:
        reason = dnsnames.translated(error)
        if isinstance(reason, DnsPermanent):
            return None
        raise reason from None
    except DnsPermanent:
        return None
    return dnsnames.to_dot(answer.rrset[0].target) if answer.rrset else None


def ipmeprint(_: bytes) -> Iterator[bytes]:
    """The addresses of this machine, 0.0.0.0 first."""
    for ip in sorted(ipme.own_addresses()):
        yield format_ip4(ip)


def hostname(_: bytes) -> Iterator[bytes]:
    """What this machine calls itself."""
    yield os.fsencode(os.uname().nodename)


TOOLS: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "dnscname": dnscname,
    "dnsfq": dnsfq,
    "dnsip": dnsip,
    "dnsmxip": dnsmxip,
    "dnsptr": dnsptr,
    "hostname": hostname,
    "ipmeprint": ipmeprint,
}
NAMES = tuple(TOOLS)
WITHOUT_ARGUMENT = ("hostname", "ipmeprint")


def find_library() -> None:
    """Have dnspython, which the system's Python has not: setup installed one."""
    places = Places(os.environ.get("QMAIL_HOME", HOME), os.environ.get("PREFIX", ""))
    for name in sorted(runtime.named_by(places.home, places.runtimes)):
        sys.path.append(f"{places.runtimes}/{name}/lib")
    for packages in Path(runtime.SOURCE).glob(".venv/lib/*/site-packages"):
        sys.path.append(str(packages))


def main(argv: list[str]) -> int:
    """``NAME [ARGUMENT]``: run the tool of that name."""
    name = argv[1]
    if name not in WITHOUT_ARGUMENT:
        if len(argv) < 3:
            return 100
        find_library()
    try:
        for line in TOOLS[name](os.fsencode(argv[2]) if argv[2:] else b""):
            if not _say(1, line):
                return 111
    except DnsPermanent:
        _say(2, b"hard error")
        return 100
    except DnsTemporary:
        _say(2, b"soft error")
        return 111
    except ImportError:
        print(f"{name}: fatal: no dnspython\n...try: make setup", file=sys.stderr)
        return 111
    return 0


def _say(fd: int, line: bytes) -> bool:
    """Write a line; False if nobody can read it."""
    try:
        os.write(fd, line + b"\n")
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv))
