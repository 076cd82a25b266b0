"""A DNS server as dnspython asks it, but over sockets that hear its refusal.

The kernel hands an ICMP error ("port unreachable") to connected sockets only: dnspython's
own wait in vain for a server that is not there. Only the resolver child loads this.
"""

from __future__ import annotations

import socket  # noqa: TID253

import dns.asyncquery  # noqa: TID253
import dns.inet  # noqa: TID253
import dns.message  # noqa: TID253
import dns.nameserver  # noqa: TID253
import dns.resolver  # noqa: TID253

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dns._asyncbackend import Backend


def nobody_listens(error: Exception) -> OSError | None:
    """The last server's error, if every one has refused or cannot be reached."""
    if not isinstance(error, dns.resolver.NoNameservers):
        return None
    cause = None
    for _, _, _, cause, _ in error.kwargs["errors"]:
        if not isinstance(cause, OSError):
            return None
    return cause


class Server(dns.nameserver.Do53Nameserver):
    """One server; what cannot reach it is an OSError at once."""

    async def async_query(
        self,
        request: dns.message.QueryMessage,
        timeout: float,
        source: str | None,
        source_port: int,
        max_size: bool,
        backend: Backend,
        one_rr_per_rrset: bool = False,
        ignore_trailing: bool = False,
    ) -> dns.message.Message:
        """Ask, letting others go on meanwhile."""
        if max_size:
            return await super().async_query(
                request, timeout, source, source_port, max_size, backend
            )
        family = dns.inet.af_for_address(self.address)
        there = (self.address, self.port)
        making = backend.make_socket(family, socket.SOCK_DGRAM, destination=there)  # type: ignore[no-untyped-call]  # not typed there
        async with await making as connected:
            return await dns.asyncquery.udp(
                *(request, self.address, timeout, self.port),
                sock=connected,
                raise_on_truncation=True,
                ignore_errors=True,
                ignore_unexpected=True,
            )
