"""control/smtproutes: where mail for a domain goes instead of where DNS says.

Format       ``domain:relay`` or ``domain:relay:port``; ``.domain`` stands for all that
             is below a domain, the empty domain for everything. An empty relay is an
             exception: DNS decides. A relay that begins with a bracket ends with one,
             and may have colons in between: ``[2001:db8::1]``.
"""

from __future__ import annotations

from pytools.base.options import scan_ulong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qmail.control.maps import ConstMap

SMTP_PORT = 25


class Route:
    """The host to ask DNS about, and what to do with the answer."""

    __slots__ = ("host", "is_relay", "port")

    def __init__(self, host: bytes, port: int, is_relay: bool) -> None:
        self.host = host
        self.port = port
        self.is_relay = is_relay
        """True: no MX, no look whether it is this machine."""


def find(routes: ConstMap, host: bytes) -> Route:
    """The route for ``host``: its own, its closest ``.suffix``'s, the empty one's."""
    relay = _relay(routes, host)
    if not relay:
        return Route(host, SMTP_PORT, is_relay=False)
    # COMPAT: the original takes what is in front of an IPv6 address's first colon.
    bracket = relay.find(b"]") + 1 if relay.startswith(b"[") else 0
    name, _, port = relay[bracket:].partition(b":")
    name = relay[:bracket] + name
    number, digits = scan_ulong(port)
    return Route(name, number & 0xFFFF if digits else SMTP_PORT, is_relay=True)


def _relay(routes: ConstMap, host: bytes) -> bytes | None:
    relay = routes.get(host)
    at = host.find(b".", 1)
    while relay is None and at >= 0:
        relay = routes.get(host[at:])
        at = host.find(b".", at + 1)
    return routes.get(b"") if relay is None else relay
