"""SMTP servers that say what they are told to, and an internet of a test's own.

The internet is a network namespace in which 192.0.2.0/24 and 2001:db8::/64 lead here
without being addresses of an interface: servers in it are not "this machine". Its name
server is 127.0.0.1.
"""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import threading
from collections.abc import Iterator

from tests.support.dnsserver import DnsServer, Zone
from tests.support.netns import own_network

IPV6_FREEBIND = 78
ALL_WELL = [b"220 hi", b"250 a", b"250 b", b"250 c", b"354 d", b"250 e"]


class Scripted:
    """Serves one connection after the other; says each reply in turn, then hangs up.

    ``connections`` has what each client said. After a reply that begins with 354 a whole
    message is heard; None in place of a reply: no word, until the client hangs up.
    """

    def __init__(
        self, replies: list[bytes | None], address: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._replies = replies
        self.connections: list[bytes] = []
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        if family == socket.AF_INET6:
            self._listener.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        self._listener.bind((address, port))
        self._listener.listen(5)
        self.port: int = self._listener.getsockname()[1]
        self._stop, self._stopper = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener, self._stop], [], [])
            if self._stop in ready:
                return
            peer, _ = self._listener.accept()
            peer.settimeout(20)
            self.connections.append(b"")
            with peer, peer.makefile("rb") as lines, contextlib.suppress(OSError):
                self._converse(peer, lines)

    def _converse(self, peer: socket.socket, lines: Iterator[bytes]) -> None:
        for reply in self._replies:
            if reply is None:
                for line in lines:
                    self.connections[-1] += line
                return
            peer.sendall(reply + b"\r\n")
            for line in lines:
                self.connections[-1] += line
                if not reply.startswith(b"354") or line == b".\r\n":
                    break

    def close(self) -> None:
        """Serve nobody any more."""
        self._stopper.close()
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._listener.close()
        self._stop.close()


class Internet:
    """Start servers with ``serve``, and a name server with ``dns``."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack

    def serve(self, address: str, replies: list[bytes | None]) -> Scripted:
        """An SMTP server on port 25."""
        server = Scripted(replies, address, 25)
        self._stack.callback(server.close)
        return server

    def dns(self, zone: Zone) -> DnsServer:
        """The name server."""
        server = DnsServer(zone, "127.0.0.1", 53)
        self._stack.callback(server.close)
        return server


@contextlib.contextmanager
def internet() -> Iterator[Internet]:
    """For the length of a with statement."""
    with own_network(), contextlib.ExitStack() as stack:
        for network in ("192.0.2.0/24", "2001:db8::/64"):
            subprocess.run(
                ["ip", "route", "add", "local", network, "dev", "lo"],
                check=True,
                timeout=20,
            )
        yield Internet(stack)
