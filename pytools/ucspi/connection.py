"""One connection, in a child of tcpserver: who is it, may it, and the program for it.

Contract     ``serve_connection`` takes an accepted socket and ends by raising: ``Next``
             with the socket as descriptors 0 and 1 and the environment of
             tcp-environ(5); ``Exit`` 100 when the rules deny, 111 when something
             failed.
Proxy        from a trusted address a PROXY header comes first; then all that follows is
             about the client that it names. The server is told, and answers with what
             it knows about that client.
Reusable     it changes nothing of the process but descriptors and (through ``Next``)
             the environment, which it builds anew from the server's for every
             connection.
"""

from __future__ import annotations

import _socket
import errno
import posix
import select
import time

from pytools.base import fds, signals
from pytools.base.exits import Exit, Next
from pytools.base.ip import parse
from pytools.process import resolver
from pytools.ucspi import address, ident, proxy, verdict
from pytools.ucspi.log import VERBOSE
from pytools.ucspi.verdict import Client, Config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from pytools.ucspi.address import Address
    from pytools.ucspi.counts import Standing
    from pytools.ucspi.limits import Excess
    from pytools.ucspi.log import Log

    Report = Callable[[bytes], Standing]

IP_OPTIONS = 4
DENIED = 100
HEADER_SECONDS = 10
"""How long a proxy may take for its header."""


def serve_connection(
    fd: int, peer: Address, config: Config, standing: Standing, report: Report
) -> NoReturn:
    """Serve the accepted socket ``fd``. ``report`` tells the server who it really is."""
    arguments, log = config.arguments, config.log
    if log.verbosity >= VERBOSE:
        log.event(b"pid %d from %b" % (posix.getpid(), address.text(peer)))
    header = None
    if address.is_in(address.text(peer), arguments.proxies):
        header = _read_header(fd, log)
    client = Client(_prepare(fd, config), peer)
    if header is not None:
        client.proxy = peer
        client.remote = _named(header.source)
        client.local = _named(header.destination)
        try:
            standing = report(address.text(client.remote))
        except OSError as error:
            raise log.dropping(b"unable to count client", error=error) from None
    _look_up(client, config)
    env = verdict.environment(config, client)
    denied = verdict.follow_rules(config, env, client)
    over = None if denied else verdict.excess(env, standing)
    finish(fd, env, config, client, denied, over)


def finish(
    fd: int,
    env: dict[bytes, bytes],
    config: Config,
    client: Client,
    denied: bool,
    over: Excess | None,
    path: bytes | None = None,
) -> NoReturn:
    """Log the verdict and carry it out. ``path``: the foreign file, if it is known."""
    log = config.log
    if log.verbosity >= VERBOSE:
        pid = posix.getpid()
        log.event(verdict.line(pid, denied or over is not None, client))
        if over is not None:
            log.event(verdict.limit_line(pid, over))
    if over is not None:
        say_why(fd, env)
    if denied or over is not None:
        raise Exit(DENIED)
    program = config.arguments.program
    try:
        fds.move(fd, 0)
        fds.copy(0, 1)
    except OSError as error:
        raise log.dropping(b"unable to set up descriptors", error=error) from None
    signals.set_default(signals.SIGPIPE)
    raise Next(
        program,
        env,
        path,
        must_exec=path is not None,
        on_error=lambda error: log.dropping(b"unable to run ", program[0], error=error),
    )


def _prepare(fd: int, config: Config) -> Address:
    """Set the socket's options, greet; the local address."""
    arguments, log = config.arguments, config.log
    # The family does not matter: what is done here asks the kernel for the address.
    connection = _socket.socket(_socket.AF_INET6, _socket.SOCK_STREAM, 0, fd)
    try:
        set_options(connection, config)
        if arguments.banner:
            try:
                fds.write_all(fd, arguments.banner)
            except OSError as error:
                raise log.dropping(b"unable to print banner", error=error) from None
        return address.plain(connection.getsockname())
    except OSError as error:
        raise log.dropping(b"unable to get local address", error=error) from None
    finally:
        # A socket object that outlives this frame would close a recycled number.
        connection.detach()


def set_options(connection: _socket.socket, config: Config) -> None:
    """What -o and -d leave to do. As in the original nobody minds where it fails."""
    try:
        # COMPAT: the original names the options by a number that on Linux is another's,
        # so there it leaves a client's route in place.
        if config.arguments.kill_options:
            connection.setsockopt(_socket.IPPROTO_IP, IP_OPTIONS, None, 0)
    except OSError:
        pass
    try:
        if config.arguments.no_delay:
            connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    except OSError:
        pass


def _named(end: tuple[bytes, int]) -> Address:
    ip, port = end[0].decode("ascii"), end[1]
    return (ip, port, 0, 0) if ":" in ip else (ip, port)


def _read_header(fd: int, log: Log) -> proxy.Header | None:
    """What a trusted proxy says; None if it speaks for itself. Exit."""
    reader = proxy.Reader()
    deadline = time.monotonic() + HEADER_SECONDS
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    try:
        while reader.wanted:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise OSError(errno.ETIMEDOUT, "no header")
            data = posix.read(fd, reader.wanted)
            if not data:
                raise proxy.BadHeader
            reader.receive(data)
    except proxy.BadHeader:
        broken = OSError(errno.EPROTO, "no header")
        raise log.dropping(b"unable to read PROXY header", error=broken) from None
    except OSError as error:
        raise log.dropping(b"unable to read PROXY header", error=error) from None
    return reader.header


def _look_up(client: Client, config: Config) -> None:
    """Learn the names, as far as they are wanted."""
    arguments = config.arguments
    client.local_host = arguments.local_host
    if client.local_host is None:
        client.local_host = _name_of(address.text(client.local))
    remote_ip = address.text(client.remote)
    if arguments.look_up_host:
        client.remote_host = _name_of(remote_ip)
        host = client.remote_host
        if host and arguments.paranoid and not _has(host, remote_ip):
            client.remote_host = None
    if arguments.look_up_info and client.proxy is None:
        # The client of a proxy never connected to this machine, and its host knows
        # nothing about the connection.
        client.info = ident.ask(client.local, client.remote, arguments.timeout)


def _name_of(ip: bytes) -> bytes | None:
    """The host name that the DNS has for an address; None if it has none in time."""
    try:
        names = resolver.ptr(ip)
    except (resolver.DnsTemporary, resolver.DnsPermanent):
        return None
    return names[0] if names else None


def _has(host: bytes, ip: bytes) -> bool:
    """Does the DNS list ``ip`` among the addresses of ``host``?"""
    try:
        found = resolver.aaaa(host) if b":" in ip else resolver.a(host)
    except (resolver.DnsTemporary, resolver.DnsPermanent):
        return False
    return any(parse(each) == parse(ip) for each in found)


def say_why(fd: int, env: dict[bytes, bytes]) -> None:
    """Send $DIEMSG to a client that is over a limit, as far as it takes it."""
    text = env.get(b"DIEMSG")
    if not text:
        return
    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0, fd)
    try:
        connection.send(text + b"\r\n", _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL)
    except OSError:
        pass
    finally:
        connection.detach()
