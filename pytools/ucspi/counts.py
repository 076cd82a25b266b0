"""How many connections an address has, and how often it came of late (pure).

Living       connections being served, by address and by network: IPv4 by its first 24
             bits, IPv6 by its first 64. No more entries than connections.
Arrivals     the times of the last arrivals, by address; for IPv6 by the first 64 bits,
             of which one client has all addresses. A refused client has arrived, too.
             Each of the last 1000 is known; before them groups of two, before those
             groups of four, and so on, 64 of a kind: any number can be told, and of a
             large one at most one in 60 is missed.
SECURITY: the table of arrivals is bounded, in an entry and in all. Who comes from so
             many addresses that it overflows makes it forget those that were silent for
             the longest time; nothing grows.
"""

from __future__ import annotations

from array import array

from pytools.base import ip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

ARRIVALS_OF_ONE = 1000
GROUPS = 64
KINDS = 40
"""The largest groups are of 2^40 arrivals."""
MOST_OF_ONE = ARRIVALS_OF_ONE + KINDS * GROUPS
"""Entries."""
ARRIVALS_IN_ALL = 65536
"""Entries of all addresses: single arrivals, and groups."""
IP4_BYTES = 3
IP6_BYTES = 8


class Arrivals:
    """When an address arrived, by ``time.monotonic``."""

    __slots__ = ("groups", "single")

    def __init__(self) -> None:
        self.single = array("d")
        """The last ones, in order."""
        self.groups: tuple[array[float], ...] = ()
        """Of two, of four, ...: when the first of each came, in order."""

    def __len__(self) -> int:
        """How many entries there are."""
        return len(self.single) + sum(map(len, self.groups))

    def add(self, now: float) -> int:
        """Note an arrival; how many entries more there are."""
        times, room, more = self.single, ARRIVALS_OF_ONE, 1
        times.append(now)
        for level in range(KINDS):
            if len(times) <= room:
                break
            # The two oldest become one of the next kind.
            first = times[0]
            del times[:2]
            if level == len(self.groups):
                self.groups = (*self.groups, array("d"))
            times, room, more = self.groups[level], GROUPS, more - 1
            times.append(first)
        return more

    def since(self, when: float) -> int:
        """How many came later; not those of a group that began before."""
        found = 0
        for level, times in enumerate((self.single, *self.groups)):
            for each in reversed(times):
                if each <= when:
                    return found
                found += 1 << level
        return found

    def encode(self) -> bytes:
        """For another process of this machine."""
        kinds = (self.single, *self.groups)
        lengths = b",".join(b"%d" % len(times) for times in kinds)
        return b"%b %b" % (lengths, b"".join(times.tobytes() for times in kinds))

    @staticmethod
    def decode(data: bytes) -> Arrivals:
        lengths, times = data.split(b" ", 1)
        made, kinds, start = Arrivals(), [], 0
        for length in lengths.split(b","):
            end = start + int(length) * made.single.itemsize
            kinds.append(array("d", times[start:end]))
            start = end
        made.single, *groups = kinds
        made.groups = tuple(groups)
        return made


class Standing:
    """What the server knows about an address, the present connection included."""

    __slots__ = ("arrivals", "of_ip", "of_network")

    def __init__(self, of_ip: int, of_network: int, arrivals: Arrivals) -> None:
        self.of_ip = of_ip
        self.of_network = of_network
        self.arrivals = arrivals

    def encode(self) -> bytes:
        """For another process of this machine."""
        return b"%d %d %b" % (self.of_ip, self.of_network, self.arrivals.encode())

    @staticmethod
    def decode(data: bytes) -> Standing:
        of_ip, of_network, arrivals = data.split(b" ", 2)
        return Standing(int(of_ip), int(of_network), Arrivals.decode(arrivals))


UNKNOWN = Standing(1, 1, Arrivals())
"""For tests and for a server that counts nothing: this connection alone."""


def network(address: bytes) -> bytes:
    """The key of an address's network; the address is text."""
    packed = ip.parse(address) or b""
    return packed[: IP4_BYTES if len(packed) == 4 else IP6_BYTES]


class Counts:
    """The tables of a server."""

    __slots__ = ("_arrivals", "_by_ip", "_by_network", "_kept")

    def __init__(self) -> None:
        self._by_ip: dict[bytes, int] = {}
        self._by_network: dict[bytes, int] = {}
        self._arrivals: dict[bytes, Arrivals] = {}
        """The address that was silent for the longest time comes first."""
        self._kept = 0

    def come(self, address: bytes, now: float) -> None:
        """A connection of the address begins."""
        near = network(address)
        self._by_ip[address] = self._by_ip.get(address, 0) + 1
        self._by_network[near] = self._by_network.get(near, 0) + 1
        key = _arrival_key(address, near)
        arrivals = self._arrivals.pop(key, None) or Arrivals()
        self._kept += arrivals.add(now)
        self._arrivals[key] = arrivals
        while self._kept > ARRIVALS_IN_ALL:
            oldest = next(iter(self._arrivals))
            self._kept -= len(self._arrivals.pop(oldest))

    def gone(self, address: bytes) -> None:
        """A connection of the address has ended."""
        _less(self._by_ip, address)
        _less(self._by_network, network(address))

    def standing(self, address: bytes) -> Standing:
        """What is known of an address now."""
        near = network(address)
        arrivals = self._arrivals.get(_arrival_key(address, near))
        return Standing(
            self._by_ip.get(address, 0),
            self._by_network.get(near, 0),
            Arrivals() if arrivals is None else arrivals,
        )

    def most(self, how_many: int) -> Iterable[tuple[bytes, int]]:
        """The addresses with the most connections, and how many each has."""
        ranked = sorted(self._by_ip.items(), key=lambda item: (-item[1], item[0]))
        return ranked[:how_many]


def _arrival_key(address: bytes, near: bytes) -> bytes:
    return near if len(near) == IP6_BYTES else address


def _less(table: dict[bytes, int], key: bytes) -> None:
    left = table.get(key, 0) - 1
    if left > 0:
        table[key] = left
    else:
        table.pop(key, None)
