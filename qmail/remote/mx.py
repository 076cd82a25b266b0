"""Which servers to try for a host, and in which order: what DNS said is given."""

from __future__ import annotations

LOOPBACK6 = bytes(15) + b"\1"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container

    Exchanger = tuple[int, bytes]


class Server:
    """An address to try, and the preference of the MX record that led to it."""

    __slots__ = ("address", "preference")

    def __init__(self, preference: int, address: bytes) -> None:
        self.preference = preference
        self.address = address

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Server):
            return NotImplemented
        return (self.preference, self.address) == (other.preference, other.address)

    __hash__ = None  # type: ignore[assignment]  # compared in tests, never a key

    def __repr__(self) -> str:
        return f"Server({self.preference!r}, {self.address!r})"


def in_order(exchangers: list[Exchanger], draw: Callable[[], bytes]) -> list[Exchanger]:
    """Lowest preference first; equal ones in the order of their lots (RFC 5321 5.1)."""
    return sorted(exchangers, key=lambda exchanger: (exchanger[0], draw()))


def before_us(servers: list[Server], own_addresses: Container[bytes]) -> list[Server]:
    """The servers that stand before this machine in the list of exchangers.

    Handing mail to one that does not would send it round in circles. Empty when this
    machine is a best one itself.
    """
    ours = [
        server.preference
        for server in servers
        if server.address in own_addresses or is_loopback(server.address)
    ]
    if not ours:
        return servers
    best = min(ours)
    return [server for server in servers if server.preference < best]


def is_loopback(address: bytes) -> bool:
    """True for 127.0.0.0/8 and ::1.

    COMPAT: the original knows the one address that the interface has; all others of
    the network, too, lead back here (RFC 1122 3.2.1.3).
    """
    return address == LOOPBACK6 or (len(address) == 4 and address[0] == 127)
