"""Visits to a tcpserver of each side, one after the other, and what comes of them.

A visit comes from a loopback address of its own; the names that the DNS has for that
address, what its ident server says, and the rules about it make the case.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from difflib import unified_diff
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.conftest import CHECKOUT, ORIGINALS, cannot_run
from tests.support.dnsserver import DnsServer
from tests.support.identserver import identifying
from tests.support.tcpservers import ADDED, Running, without_pids
from tests.support.until import until

NAMESERVER = 254
Answer = bytes | tuple[bytes, ...]


class Visit:
    """A client, and what there is about it."""

    def __init__(
        self,
        name: str,
        *,
        ptr: list[str] | str | None = None,
        forward: dict[tuple[str, str], list[str]] | None = None,
        ident: Answer | None = None,
        rules: str = "",
    ) -> None:
        self.name = name
        self.ptr = ptr
        self.forward = forward or {}
        self.ident = ident
        self.rules = rules

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


class Outcome(NamedTuple):
    """What the client got, its lines sorted, and what the log says."""

    seen: list[str]
    log: list[str]


class Pair:
    """A server of each side, visited in turn."""

    def __init__(
        self, options: list[str], program: list[str], env: dict[str, str], cwd: Path
    ) -> None:
        self.servers = [
            Running(command, options, program, env, cwd) for command in sides()
        ]
        self._seen = [0, 0]
        letters = [c for word in options if word[:1] == "-" for c in word if c in "vqQ"]
        self._is_verbose = letters[-1] == "v"

    def visit(
        self, source: str, say: bytes = b"", options: bytes = b""
    ) -> list[Outcome]:
        """What comes of a visit to the original, and to ours."""
        found = []
        for index, server in enumerate(self.servers):
            connection = bound(source, server.port)
            if options:
                connection.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, options)
            connection.settimeout(30)
            connection.connect(("127.0.0.1", server.port))
            port = connection.getsockname()[1]
            if say:
                connection.sendall(say)
            parts = []
            try:
                while chunk := connection.recv(65536):
                    parts.append(chunk)
            except ConnectionResetError:
                parts.append(b"reset")
            connection.close()
            if self._is_verbose:
                until(partial(self._is_over, index), 30, "the end")
            lines = server.lines()
            new, self._seen[index] = lines[self._seen[index] :], len(lines)
            seen = b"".join(parts).decode("latin-1").split("\n")
            seen = sorted(plain(seen, server.port, port, new))
            found.append(Outcome(seen, plain(new, server.port, port, new)))
        return found

    def _is_over(self, index: int) -> bool:
        new = self.servers[index].lines()[self._seen[index] :]
        return any(": end " in line for line in new) and "status: 0/" in new[-1]

    def close(self) -> None:
        """End both."""
        assert [server.stop() for server in self.servers] == [0, 0]


def sides() -> list[list[str]]:
    """The commands of the original and of ours."""
    theirs = f"{ORIGINALS}/usr/bin/tcpserver"
    if not os.path.exists(theirs):
        cannot_run("Debian's ucspi-tcp is not unpacked (make originals)")
    ours = [sys.executable, "-BXutf8", "-m", "pytools.process.launch", "tcpserver"]
    return [[theirs], ours]


def bound(source: str, other: int) -> socket.socket:
    """A socket of that address, whose port cannot be taken for the server's."""
    while True:
        connection = socket.socket()
        connection.bind((source, 0))
        if connection.getsockname()[1] != other:
            return connection
        connection.close()


def plain(lines: list[str], server: int, client: int, log: list[str]) -> list[str]:
    """Without ports and pids, and what a shell or Python adds to an environment."""
    whole = "\n".join(log)
    known = {str(server): "SERVERPORT", str(client): "CLIENTPORT"}
    return [
        re.sub(
            r"\d+",
            lambda number: known.get(number[0], number[0]),
            without_pids(line, whole),
        )
        for line in lines
        if not ADDED.match(line)
    ]


def address(group: int, number: int) -> str:
    """Of this process and this group alone, so that ports 53 and 113 are free there."""
    pid = os.getpid()
    return f"127.{128 + 25 * group + (pid >> 8) % 25}.{pid & 255}.{number}"


class World:
    """The names, ident servers and rules of a group of visits."""

    def __init__(
        self, group: int, visits: list[Visit], place: Path, stack: ExitStack
    ) -> None:
        numbered = enumerate(visits, 1)
        self.source = {each.name: address(group, n) for n, each in numbered}
        nameserver = address(group, NAMESERVER)
        assert len(self.source) == len(visits) < NAMESERVER
        zone: dict[tuple[str, str], list[str]] = {}
        zone["1.0.0.127.in-addr.arpa.", "PTR"] = ["local.example."]
        idents: dict[str, Answer] = {}
        rules = ""
        for each in visits:
            source = self.source[each.name]
            reverse = ".".join(reversed(source.split("."))) + ".in-addr.arpa."
            if isinstance(each.ptr, str):
                zone[reverse, "RCODE"] = [each.ptr]
            elif each.ptr:
                zone[reverse, "PTR"] = each.ptr
            for key, values in each.forward.items():
                zone[key] = [source if v == "@" else v for v in values]
            if each.ident is not None:
                idents[source] = each.ident
            for line in each.rules.splitlines():
                where, colon, what = line.partition(":")
                # A last @ is the address; one before it belongs to user@address.
                if where.endswith("@"):
                    where = where[:-1] + source
                rules += f"{where}{colon}{what}\n"
        stack.enter_context(identifying(idents))
        stack.enter_context(closing(DnsServer(zone, nameserver, 53)))
        subprocess.run(
            [f"{ORIGINALS}/usr/bin/tcprules", "rules.cdb", "rules.tmp"],
            input=rules.encode("latin-1"),
            cwd=place,
            check=True,
            timeout=30,
        )
        self.env = {
            "DNSCACHEIP": nameserver,
            "PYTHONPATH": str(CHECKOUT),
            "TCPREMOTEINFO": "stale",
            "TCPREMOTEHOST": "stale",
            "TCPLOCALHOST": "stale",
        }


def group(
    number: int, visits: list[Visit], options: list[str], place: Path
) -> Iterator[tuple[World, Pair]]:
    if os.geteuid():
        cannot_run("needs root")
    sides()
    with ExitStack() as stack:
        world = World(number, visits, place, stack)
        pair = Pair(options, ["env"], world.env, place)
        try:
            yield world, pair
        finally:
            pair.close()


Group = tuple[World, Pair]


def same(ours: Outcome, theirs: Outcome) -> None:
    """Show what is different, not all there is."""
    for mine, original in ((ours.seen, theirs.seen), (ours.log, theirs.log)):
        differences = list(unified_diff(original, mine, "original", "ours", n=0))
        assert not differences, "\n".join(line[:300] for line in differences)
