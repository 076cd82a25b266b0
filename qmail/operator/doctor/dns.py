"""DNS: does a server answer, and does it know a name for this machine's address?

Asked        with queries of its own, by UDP, one question each: the libraries of the
             runtime may be what is missing, and the resolver of the C library also
             takes names from /etc/hosts, which the world does not see.
Format       RFC 1035 4.1; a name in a reply is passed over, never followed.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from qmail.operator.doctor.addresses import global_ip4, global_ip6
from qmail.operator.doctor.findings import Finding
from qmail.operator.doctor.machine import Machine, amend, edit, quote, read, text

NS, PTR, MX, AAAA = 2, 12, 15, 28
NOERROR, NXDOMAIN = 0, 3
TRIES = 2
TRY_SECONDS = 1.5
PTR_SECONDS = 6.0
"""For the names of all addresses: with three servers the check stays below its limit."""
MAX_SERVERS = 3
"""resolv.conf(5): more are ignored."""
RECURSION = 0x0100
RESPONSE = 0x8000
TRUNCATED = 0x0200
MAX_LABEL, MAX_NAME = 63, 253
POINTER = 0xC0


@dataclass(frozen=True)
class Answer:
    """The code of a reply, and how many records of the type that was asked for."""

    code: int
    count: int = 0
    addresses: list[str] = field(default_factory=list)

    @property
    def is_definite(self) -> bool:
        """True if the server knows: there is such a name, or there is none."""
        return self.code in (NOERROR, NXDOMAIN)


def servers(machine: Machine) -> list[str]:
    """The name servers of resolv.conf(5). OSError."""
    found = []
    for line in text(read(machine.path("/etc/resolv.conf"))).splitlines():
        words = line.split()
        if words[:1] == ["nameserver"] and len(words) > 1:
            found.append(words[1])
    return found[:MAX_SERVERS]


def encode(name: str, kind: int, number: int) -> bytes:
    """A query. ValueError if the name can be none."""
    labels = [os.fsencode(label) for label in name.split(".") if label]
    if any(len(label) > MAX_LABEL for label in labels) or len(name) > MAX_NAME:
        raise ValueError(name)
    wire = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return (
        struct.pack("!6H", number, RECURSION, 1, 0, 0, 0)
        + wire
        + struct.pack("!2H", kind, 1)
    )


def decode(reply: bytes, kind: int, number: int) -> Answer | None:
    """What a reply says; None if it is none to this query, or broken."""
    try:
        got, flags, questions, answers, _, _ = struct.unpack_from("!6H", reply)
        if got != number or not flags & RESPONSE:
            return None
        at = 12
        for _ in range(questions):
            at = after_name(reply, at) + 4
        count, addresses = 0, []
        for _ in range(answers):
            at = after_name(reply, at)
            is_kind, _, _, size = struct.unpack_from("!HHIH", reply, at)
            at += 10
            if is_kind == kind:
                count += 1
                if kind == AAAA and size == 16:
                    packed = reply[at : at + size]
                    addresses.append(str(ipaddress.IPv6Address(packed)))
            at += size
    except (struct.error, IndexError, ValueError):
        return None
    if flags & TRUNCATED:
        # There are more than fit.
        count = max(count, 1)
    return Answer(flags & 15, count, addresses)


def after_name(reply: bytes, at: int) -> int:
    """The place behind a name."""
    while reply[at]:
        if reply[at] & POINTER:
            return at + 2
        at += 1 + reply[at]
    return at + 1


def ask(machine: Machine, server: str, name: str, kind: int) -> Answer | None:
    """What a server answers; None if nothing comes in time."""
    number = secrets.randbelow(1 << 16)
    try:
        query = encode(name, kind, number)
        found = socket.getaddrinfo(
            server,
            machine.dns_port,
            type=socket.SOCK_DGRAM,
            flags=socket.AI_NUMERICHOST,
        )
        family, type_, _, _, address = found[0]
        with socket.socket(family, type_) as link:
            link.settimeout(TRY_SECONDS)
            link.connect(address)
            for _ in range(TRIES):
                try:
                    link.send(query)
                    answer = decode(link.recv(65535), kind, number)
                except TimeoutError:
                    continue
                if answer is not None:
                    return answer
    except (OSError, ValueError):
        return None
    return None


def first_answer(machine: Machine, name: str, kind: int) -> Answer | None:
    """What the first server says that answers; None if there is none."""
    try:
        known = servers(machine)
    except OSError:
        return None
    for server in known:
        answer = ask(machine, server, name, kind)
        if answer is not None:
            return answer
    return None


def check_dns(machine: Machine) -> Iterator[Finding]:
    """Each server answers; each address of this machine has a name."""
    path = machine.path("/etc/resolv.conf")
    try:
        known = servers(machine)
    except FileNotFoundError:
        known = []
    if not known:
        what = "names no server" if os.path.exists(path) else "does not exist"
        server = likely_server(machine)
        remedy = edit(path)
        if server:
            remedy = f"echo nameserver {server} >> {quote(path)}"
        if os.path.islink(path):
            what = what.replace("does not exist", "leads nowhere")
            remedy = show_link(path)
        yield Finding("resolver-not-configured", f"{path} {what}", remedy)
        return
    me = machine.control_line("me") or ""
    well = []
    unwell: list[tuple[str, Answer | None]] = []
    for server in known:
        answer = ask(machine, server, me, MX) if me else None
        if answer is None or not answer.is_definite:
            # The fault may be the domain's.
            answer = ask(machine, server, ".", NS)
        if answer is not None and answer.is_definite:
            well.append(server)
        else:
            unwell.append((server, answer))
    for server, answer in unwell:
        remedy = replace(path, server, others=bool(well))
        if answer is None:
            yield Finding(
                "resolver-dead",
                f"the name server {server} of {path} does not answer",
                remedy,
            )
        else:
            yield Finding(
                "resolver-failing",
                f"the name server {server} of {path} answers with error {answer.code}",
                remedy,
            )
    if well:
        yield from of_addresses(machine, me, well[0])


def replace(path: str, server: str, others: bool) -> str:
    """Without a server that does not work, if others do; or another in its place."""
    if server == "127.0.0.53":
        return "systemctl restart systemd-resolved"
    if os.path.islink(path):
        return show_link(path)
    if not others:
        # Which other there is, is the operator's to know.
        return edit(path)
    pattern = re.sub(r"([][\\.*^$/])", r"\\\1", server)
    line = f"^nameserver[[:blank:]][[:blank:]]*{pattern}[[:blank:]]*$"
    return amend(path, f"/{line}/d")


def show_link(path: str) -> str:
    """Who makes a file that is only linked there, and would make it again."""
    return f"ls -l {quote(path)}"


def likely_server(machine: Machine) -> str:
    """A server of this machine that answers, or nothing: the operator has to know."""
    for server in ("127.0.0.1", "127.0.0.53"):
        if ask(machine, server, ".", NS) is not None:
            return server
    return ""


def of_addresses(machine: Machine, me: str, server: str) -> Iterator[Finding]:
    """Receivers ask for the name of an address that mail comes from."""
    deadline = time.monotonic() + PTR_SECONDS
    for address in (*global_ip4(machine), *global_ip6(machine)):
        if time.monotonic() > deadline:
            # A server that does not answer says nothing of the others, either.
            return
        answer = ask(machine, server, address.reverse_pointer, PTR)
        if answer is not None and answer.is_definite and not answer.count:
            yield Finding(
                "no-ptr",
                f"{address} has no PTR record; it should lead to {me or 'its name'}",
                f"dig +short -x {address}",
            )
