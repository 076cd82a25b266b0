"""qmail-remote: send the message on descriptor 0 to recipients at one host, by SMTP.

Contract     ``qmail-remote host sender recip...``; reports on descriptor 1, each a
             letter, text and NUL; always exits 0. qmail-remote(8).
Limit        SIGALRM ends it after 24 hours, which qmail-rspawn takes for a deferral.
Reads        control/: me helohost smtproutes timeoutconnect timeoutremote.
Uses         queue/lock/tcpto, queue/lock/tcpto6, DNS.
Servers      one after the other, until one has had a say about the message. COMPAT: for
             the original the first that accepts a connection is the one.
"""

from __future__ import annotations

import posix
import time

from pytools.base import runtime, signals
from pytools.base.fds import write_all
from pytools.base.ip import format_ip
from qmail.control import files, ipme, tcpto
from qmail.control.maps import ConstMap
from qmail.mail.quoting import quote_address
from qmail.remote import lookup, mx, report, routes, transport
from qmail.remote.conversation import Conversation, Failure
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
SEARCH_SECONDS: Final = 3600
"""COMPAT: after so long no further server is tried, however many DNS names: the owner of
a domain would hold that place with many servers that do not answer."""


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
    recipients = [on_the_wire(address) for address in argv[3:]]
    route = routes.find(controls.routes, host)
    last = report.end(report.NO_CONNECTION)
    deadline = time.monotonic() + SEARCH_SECONDS
    for server in servers_for(route):
        if time.monotonic() > deadline:
            break
        is_elsewhere = True
        # Once with EHLO, and with HELO if the server hangs up on that (RFC 5321 3.2).
        for is_extended in (True, False):
            connection = connect(server, route.port, controls)
            if connection is None:
                break
            session = client.ClientSession(
                *(controls.helo, on_the_wire(sender), recipients),
                is_extended=is_extended,
            )
            try:
                last, is_elsewhere = converse(session, connection, server, reports)
            finally:
                connection.close()
            if not session.wants_helo:
                break
        if not is_elsewhere:
            break
    reports += last


def on_the_wire(address: bytes) -> bytes:
    """The address as it stands in a command; one without ``@`` goes as it is."""
    return quote_address(address) if b"@" in address else address


def servers_for(route: routes.Route) -> list[Server]:
    """The servers to try, best first. Raises Failure."""
    try:
        own_addresses = ipme.own_addresses() | ipme.own_addresses6()
    except OSError:
        raise Failure(report.NO_RESOURCES) from None
    try:
        if route.is_relay:
            return lookup.relay_servers(route.host)
        servers, unanswered = lookup.mail_servers(route.host)
    except lookup.NoHost:
        raise Failure(report.no_host(route.host)) from None
    except lookup.NoAnswer:
        raise Failure(report.NO_ANSWER) from None
    except lookup.NoMail:
        raise Failure(report.NULL_EXCHANGER) from None
    if not servers:
        raise Failure(report.NO_EXCHANGER)
    before_us = mx.before_us(servers, own_addresses)
    if before_us:
        return before_us
    if unanswered is not None and unanswered < servers[0].preference:
        # COMPAT: for the original this machine is a best exchanger as long as DNS does
        # not answer about the better ones, and the mail fails for good.
        raise Failure(report.NO_ANSWER)
    raise Failure(report.OWN_EXCHANGER)


def connect(
    server: Server, port: int, controls: Controls
) -> transport.Connection | None:
    """A connection, or None if there is none to that server. Raises Failure."""
    if tcpto.is_timed_out(server.address, int(time.time()), posix.getpid()):
        return None
    try:
        return transport.connect(
            server, port, controls.connect_timeout, controls.timeout
        )
    except transport.NoAnswer as failure:
        note(server, failure.timed_out)
        return None
    except OSError:
        raise Failure(report.NO_RESOURCES) from None


def note(server: Server, is_silent: bool) -> None:
    """Remember whether the server answered."""
    if is_silent:
        tcpto.note_timeout(server.address)
    else:
        tcpto.note_success(server.address)


def converse(
    session: client.ClientSession,
    connection: transport.Connection,
    server: Server,
    reports: bytearray,
) -> tuple[bytes, bool]:
    """The message's report, and whether another server may be asked. Raises Failure.

    COMPAT: a server that accepts connections and then says nothing has not answered.
    The original waits for it, for timeoutremote, every time.
    """
    partner = format_ip(server.address)
    conversation = Conversation(session, connection, partner, reports)
    try:
        return conversation.hold()
    finally:
        note(server, conversation.is_silent)
