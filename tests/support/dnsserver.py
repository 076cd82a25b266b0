"""A DNS server of a test's own, on a loopback port, over UDP and TCP."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

Zone = dict[tuple[str, str], list[str]]
"""(name, type) to the texts of its records. The type ``RCODE`` makes a name answer with
that code, and ``SILENT`` not at all."""


class DnsServer:
    """Answers from ``zone``; notes what it was asked in ``asked``."""

    def __init__(self, zone: Zone, address: str = "127.0.0.1", port: int = 0) -> None:
        self.zone = zone
        self.asked: list[tuple[str, str, str]] = []
        self.udp, self.tcp = self._bind(address, port)
        self.port: int = self.udp.getsockname()[1]
        self._stop, self._stopper = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @staticmethod
    def _bind(address: str, port: int) -> tuple[socket.socket, socket.socket]:
        while True:
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            udp.bind((address, port))
            try:
                tcp.bind(udp.getsockname())
            except OSError:
                # Somebody else has the TCP port of this number.
                udp.close()
                tcp.close()
                if port:
                    raise
                continue
            tcp.listen(20)
            return udp, tcp

    def close(self) -> None:
        """Stop answering."""
        self._stopper.close()
        self._thread.join(20)
        assert not self._thread.is_alive()
        for each in (self.udp, self.tcp, self._stop):
            each.close()

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self.udp, self.tcp, self._stop], [], [])
            if self._stop in ready:
                return
            if self.udp in ready:
                query, peer = self.udp.recvfrom(65535)
                answer = self._answer(query, "udp")
                if answer is not None:
                    self.udp.sendto(answer, peer)
            if self.tcp in ready:
                # Who asks may have given up meanwhile.
                with contextlib.suppress(OSError):
                    self._serve_tcp()

    def _serve_tcp(self) -> None:
        connection, _ = self.tcp.accept()
        with connection:
            connection.settimeout(5)
            with connection.makefile("rb") as stream:
                size = int.from_bytes(stream.read(2), "big")
                query = stream.read(size)
            if not size or len(query) < size:
                return
            answer = self._answer(query, "tcp")
            if answer is not None:
                connection.sendall(len(answer).to_bytes(2, "big") + answer)

    def _answer(self, wire: bytes, way: str) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text().lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind, way))
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if (name, "SILENT") in self.zone:
            return None
        for code in self.zone.get((name, "RCODE"), []):
            answer.set_rcode(dns.rcode.from_text(code))
            return answer.to_wire()
        for _ in range(8):
            known = [key for key in self.zone if key[0] == name]
            if (name, kind) in self.zone:
                texts = self.zone[name, kind]
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *texts))
                break
            if (name, "CNAME") not in self.zone:
                if not known:
                    answer.set_rcode(dns.rcode.NXDOMAIN)
                break
            target = self.zone[name, "CNAME"][0]
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", target))
            if (target, "ALONE") in self.zone:
                # A server that leaves the rest of the chain to the asker.
                break
            name = target
        # In the order of the zone: dnspython would shuffle.
        data = answer.to_wire(max_size=65535, want_shuffle=False)
        if way == "udp" and len(data) > 512:
            short = dns.message.make_response(query)
            short.flags |= dns.flags.TC
            return short.to_wire()
        return data


@contextlib.contextmanager
def serving(zone: Zone) -> Iterator[DnsServer]:
    """A server for the length of a with statement."""
    server = DnsServer(zone)
    try:
        yield server
    finally:
        server.close()
