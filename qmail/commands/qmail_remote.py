"""qmail-remote: send the message on descriptor 0 to recipients at one host, by SMTP.

Contract     ``qmail-remote host sender recip...``; reports on descriptor 1, each a
             letter, text and NUL; always exits 0. qmail-remote(8).
Limit        SIGALRM ends it after 24 hours, which qmail-rspawn takes for a deferral.
Reads        control/: me helohost smtproutes timeoutconnect timeoutremote.
Uses         queue/lock/tcpto, DNS.
"""

from __future__ import annotations

import posix
import time

from pytools.base import runtime, signals
from pytools.base.fds import write_all
from pytools.base.ip import format_ip4
from qmail.control import files, ipme, tcpto
from qmail.control.maps import ConstMap
from qmail.mail.quoting import quote_address
from qmail.remote import lookup, mx, report, routes, transport
from qmail.smtp import client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from qmail.remote.mx import Server

CONNECT_SECONDS: Final = 60
SILENCE_SECONDS: Final = 1200
MAX_SECONDS: Final = 1_000_000
LIFE_SECONDS: Final = 86400
"""COMPAT: the original has no limit but timeoutremote, which starts anew with each byte:
a server that drips would hold a place of concurrencyremote for ever."""
CHUNK: Final = 32768


class Failure(Exception):
    """The message cannot be sent, for the reason that this report gives."""

    def __init__(self, report: bytes) -> None:
        super().__init__(report)
        self.report = report


class Controls:
    """What the control files say. OSError if one is unreadable."""

    __slots__ = ("connect_timeout", "helo", "routes", "timeout")

    def __init__(self) -> None:
        me = files.readline(b"me")
        helo = files.read_or_me(b"helohost", me)
        if helo is None:
            raise FileNotFoundError("control/helohost")
        self.helo = helo
        timeout = files.readint(b"timeoutremote", SILENCE_SECONDS)
        self.timeout = min(timeout, MAX_SECONDS)
        timeout = files.readint(b"timeoutconnect", CONNECT_SECONDS)
        self.connect_timeout = min(timeout, MAX_SECONDS)
        self.routes = ConstMap(files.readfile(b"smtproutes") or (), colon=True)


def main(argv: list[bytes]) -> int:
    signals.ignore(signals.SIGPIPE)
    signals.set_default(signals.SIGALRM)
    signals.unblock([signals.SIGALRM])
    signals.alarm(LIFE_SECONDS)
    reports = bytearray()
    try:
        send(argv, reports)
    except Failure as failure:
        reports += report.end(failure.report)
    try:
        write_all(1, reports)
    except OSError:
        pass
    return 0


def send(argv: list[bytes], reports: bytearray) -> None:
    """Send, appending the reports. Raises Failure."""
    if len(argv) < 4:
        raise Failure(report.USAGE)
    host, sender = argv[1:3]
    try:
        posix.chdir(runtime.home)
    except OSError:
        raise Failure(report.NO_HOME) from None
    try:
        controls = Controls()
    except OSError:
        raise Failure(report.NO_CONTROLS) from None
    if not client.is_speakable(sender):
        raise Failure(report.BAD_SENDER)
    session = client.ClientSession(
        controls.helo, on_the_wire(sender), [on_the_wire(a) for a in argv[3:]]
    )
    route = routes.find(controls.routes, host)
    connection, partner = connect(servers_for(route), route.port, controls)
    try:
        converse(session, connection, partner, reports)
    finally:
        connection.close()


def on_the_wire(address: bytes) -> bytes:
    """The address as it stands in a command; one without ``@`` goes as it is."""
    return quote_address(address) if b"@" in address else address


def servers_for(route: routes.Route) -> list[Server]:
    """The servers to try, best first. Raises Failure."""
    try:
        own_addresses = ipme.own_addresses()
    except OSError:
        raise Failure(report.NO_RESOURCES) from None
    try:
        if route.is_relay:
            return lookup.relay_servers(route.host)
        servers = lookup.mail_servers(route.host)
    except lookup.NoHost:
        raise Failure(report.no_host(route.host)) from None
    except lookup.NoAnswer:
        raise Failure(report.NO_ANSWER) from None
    if not servers:
        raise Failure(report.NO_EXCHANGER)
    servers = mx.before_us(servers, own_addresses)
    if not servers:
        raise Failure(report.OWN_EXCHANGER)
    return servers


def connect(
    servers: list[Server], port: int, controls: Controls
) -> tuple[transport.Connection, bytes]:
    """The first server that accepts a connection is the one. Raises Failure."""
    for server in servers:
        if tcpto.is_timed_out(server.address, int(time.time()), posix.getpid()):
            continue
        try:
            connection = transport.connect(
                server, port, controls.connect_timeout, controls.timeout
            )
        except transport.NoAnswer as failure:
            if failure.timed_out:
                tcpto.note_timeout(server.address)
            else:
                tcpto.note_success(server.address)
            continue
        except OSError:
            raise Failure(report.NO_RESOURCES) from None
        tcpto.note_success(server.address)
        return connection, format_ip4(server.address)
    raise Failure(report.NO_CONNECTION)


def converse(
    session: client.ClientSession,
    connection: transport.Connection,
    partner: bytes,
    reports: bytearray,
) -> None:
    """Hold the conversation to its end. Raises Failure."""
    while True:
        try:
            event = next_event(session, connection)
        except transport.Dropped:
            event = session.dropped()
        if event.outcome is None:
            continue
        reports += report.of(event.outcome, partner)
        if event.kind == client.DONE:
            if event.outcome.is_polite:
                hang_up(connection)
            return


def next_event(
    session: client.ClientSession, connection: transport.Connection
) -> client.Event:
    """Wait for an event, and do what it asks for. Raises Dropped, Failure."""
    event = session.next_event()
    while event is None:
        session.receive(connection.receive())
        event = session.next_event()
    if event.kind == client.SEND:
        connection.send(event.data)
    elif event.kind == client.BODY:
        send_message(session, connection)
    return event


def send_message(
    session: client.ClientSession, connection: transport.Connection
) -> None:
    """Send the message from descriptor 0. Raises Dropped, Failure."""
    while True:
        try:
            data = posix.read(0, CHUNK)
        except OSError:
            raise Failure(report.NO_MESSAGE) from None
        if not data:
            break
        connection.send(session.message(data))
    end = session.end_of_message()
    if end is None:
        raise Failure(report.PARTIAL_LINE)
    connection.send(end)


def hang_up(connection: transport.Connection) -> None:
    """Say QUIT, and do not wait for what the server says to that.

    COMPAT: the verdict stands even if the connection dies here; the original makes a
    deferral of it, and sends again what was accepted.
    """
    try:
        connection.send(client.QUIT)
    except transport.Dropped:
        pass
