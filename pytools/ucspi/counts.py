"""How many connections an address has, and how often it came of late (pure).

Living       connections being served, by address and by network: IPv4 by its first 24
             bits, IPv6 by its first 64. No more entries than connections.
Arrivals     the times of the last arrivals, by address; for IPv6 by the first 64 bits,
             of which one client has all addresses. A refused client has arrived, too.
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
ARRIVALS_IN_ALL = 65536
IP4_BYTES = 3
IP6_BYTES = 8


class Standing:
    """What the server knows about an address, the present connection included."""

    __slots__ = ("arrivals", "of_ip", "of_network")

    def __init__(self, of_ip: int, of_network: int, arrivals: array[float]) -> None:
        self.of_ip = of_ip
        self.of_network = of_network
        self.arrivals = arrivals
        """By ``time.monotonic``, in order."""

    def encode(self) -> bytes:
        """For another process of this machine."""
        return b"%d %d %b" % (self.of_ip, self.of_network, self.arrivals.tobytes())

    @staticmethod
    def decode(data: bytes) -> Standing:
        of_ip, of_network, arrivals = data.split(b" ", 2)
        return Standing(int(of_ip), int(of_network), array("d", arrivals))


UNKNOWN = Standing(1, 1, array("d"))
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
        self._arrivals: dict[bytes, array[float]] = {}
        """The address that was silent for the longest time comes first."""
        self._kept = 0

    def come(self, address: bytes, now: float) -> None:
        """A connection of the address begins."""
        near = network(address)
        self._by_ip[address] = self._by_ip.get(address, 0) + 1
        self._by_network[near] = self._by_network.get(near, 0) + 1
        key = _arrival_key(address, near)
        times = self._arrivals.pop(key, None) or array("d")
        times.append(now)
        self._kept += 1
        if len(times) > ARRIVALS_OF_ONE:
            del times[0]
            self._kept -= 1
        self._arrivals[key] = times
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
        times = self._arrivals.get(_arrival_key(address, near))
        return Standing(
            self._by_ip.get(address, 0),
            self._by_network.get(near, 0),
            array("d") if times is None else times,
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
