"""The addresses of this machine that the world can reach."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from qmail.operator.doctor.machine import Machine
from qmail.operator.processes import LISTEN

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def rows(machine: Machine, table: str, skip: int = 1) -> Iterator[list[str]]:
    """The lines of a table of the kernel, split; none if there is no such table."""
    try:
        with open(f"{machine.proc}/{table}") as file:
            lines = file.readlines()[skip:]
    except FileNotFoundError:
        return
    for line in lines:
        yield line.split()


def listening(machine: Machine, port: int, *tables: str) -> Iterator[list[str]]:
    """The lines of sockets that listen on a TCP port; proc_pid_net(5), tcp."""
    for table in tables:
        for words in rows(machine, table):
            if words[3] == LISTEN and int(words[1].partition(":")[2], 16) == port:
                yield words


def global_ip4(machine: Machine) -> list[ipaddress.IPv4Address]:
    """Those of IPv4."""
    found = map(ipaddress.IPv4Address, sorted(machine.own_addresses()))
    return [address for address in found if address.is_global]


def global_ip6(machine: Machine) -> list[ipaddress.IPv6Address]:
    """Those of IPv6; proc_pid_net(5), if_inet6."""
    packed = (bytes.fromhex(words[0]) for words in rows(machine, "net/if_inet6", 0))
    found = map(ipaddress.IPv6Address, sorted(packed))
    return [address for address in found if address.is_global]
