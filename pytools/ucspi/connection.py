"""One connection, in a child of tcpserver: who is it, may it, and the program for it.

Contract     ``serve_connection`` takes an accepted socket and ends by raising: ``Next``
             with the socket as descriptors 0 and 1 and the environment of
             tcp-environ(5); ``Exit`` 100 when the rules deny, 111 when something
             failed.
Reusable     it changes nothing of the process but descriptors and (through ``Next``)
             the environment, which it builds anew from the server's for every
             connection.
"""

from __future__ import annotations

import _socket
import errno
import posix

from pytools.base import fds, signals
from pytools.base.cdb import Cdb
from pytools.base.exits import Exit, Next
from pytools.process import resolver
from pytools.ucspi import ident, rules
from pytools.ucspi.arguments import Arguments
from pytools.ucspi.log import VERBOSE, Log, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

IP_OPTIONS = 4
DENIED = 100
OURS = (
    b"PROTO",
    b"TCPLOCALIP",
    b"TCPLOCALPORT",
    b"TCPLOCALHOST",
    b"TCPREMOTEIP",
    b"TCPREMOTEPORT",
    b"TCPREMOTEHOST",
    b"TCPREMOTEINFO",
)


class Config:
    """What all connections of a server have in common, worked out once."""

    __slots__ = ("arguments", "env", "log")

    def __init__(
        self, arguments: Arguments, env: dict[bytes, bytes], local_port: int
    ) -> None:
        self.arguments = arguments
        self.log = Log(arguments.verbosity)
        self.env = {name: value for name, value in env.items() if name not in OURS}
        self.env[b"PROTO"] = b"TCP"
        self.env[b"TCPLOCALPORT"] = b"%d" % local_port


def serve_connection(fd: int, peer: tuple[str, int], config: Config) -> NoReturn:
    """Serve the accepted socket ``fd``."""
    arguments, log = config.arguments, config.log
    env = dict(config.env)
    remote_ip = peer[0].encode("ascii")
    if log.verbosity >= VERBOSE:
        log.event(b"pid %d from %b" % (posix.getpid(), remote_ip))
    local = _prepare(fd, arguments, log)
    env[b"TCPLOCALIP"] = local_ip = local[0].encode("ascii")
    env[b"TCPLOCALPORT"] = b"%d" % local[1]
    env[b"TCPREMOTEIP"] = remote_ip
    env[b"TCPREMOTEPORT"] = b"%d" % peer[1]
    local_host = arguments.local_host
    if local_host is None:
        local_host = _name_of(local_ip)
    remote_host = info = None
    if arguments.look_up_host:
        remote_host = _name_of(remote_ip)
        if remote_host and arguments.paranoid and not _has(remote_host, remote_ip):
            remote_host = None
    if arguments.look_up_info:
        info = ident.ask(local, peer, arguments.timeout)
    if local_host is not None:
        env[b"TCPLOCALHOST"] = local_host
    if remote_host is not None:
        env[b"TCPREMOTEHOST"] = remote_host
    if info is not None:
        env[b"TCPREMOTEINFO"] = info
    denied = arguments.rules is not None and _follow_rules(
        arguments, log, env, remote_ip, remote_host, info
    )
    if log.verbosity >= VERBOSE:
        log.event(
            b"%b %d %b:%b:%d %b:%b:%b:%d"
            % (
                b"deny" if denied else b"ok",
                posix.getpid(),
                field(local_host),
                local_ip,
                local[1],
                field(remote_host),
                remote_ip,
                field(info),
                peer[1],
            )
        )
    if denied:
        raise Exit(DENIED)
    try:
        fds.move(fd, 0)
        fds.copy(0, 1)
    except OSError as error:
        raise log.dropping(b"unable to set up descriptors", error=error) from None
    signals.set_default(signals.SIGPIPE)
    program = arguments.program
    raise Next(
        program,
        env,
        on_error=lambda error: log.dropping(b"unable to run ", program[0], error=error),
    )


def _prepare(fd: int, arguments: Arguments, log: Log) -> tuple[str, int]:
    """Set the socket's options, greet; the local address."""
    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0, fd)
    try:
        if arguments.kill_options:
            connection.setsockopt(_socket.IPPROTO_IP, IP_OPTIONS, None, 0)
        if arguments.no_delay:
            connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        if arguments.banner:
            try:
                fds.write_all(fd, arguments.banner)
            except OSError as error:
                raise log.dropping(b"unable to print banner", error=error) from None
        address: tuple[str, int] = connection.getsockname()
        return address
    except OSError as error:
        raise log.dropping(b"unable to get local address", error=error) from None
    finally:
        # A socket object that outlives this frame would close a recycled number.
        connection.detach()


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
        return ip in resolver.a(host)
    except (resolver.DnsTemporary, resolver.DnsPermanent):
        return False


def _follow_rules(
    arguments: Arguments,
    log: Log,
    env: dict[bytes, bytes],
    ip: bytes,
    host: bytes | None,
    info: bytes | None,
) -> bool:
    """Look the client up in the rules and set their variables; True if it is denied.

    The file is opened for every connection, so that a new one counts at once.
    """
    path = arguments.rules or b""
    try:
        with Cdb(path) as cdb:
            found = rules.look_up(cdb.get, ip, host, info)
    except OSError as error:
        if error.errno == errno.ENOENT and arguments.allow_no_rules:
            return False
        # SECURITY: rules that cannot be read must not turn into "allowed".
        raise log.dropping(b"unable to read ", path, error=error) from None
    if found is None:
        return False
    denied, variables = rules.decode(found[1])
    # An empty name is legal in a rule, but no environment can hold it.
    env.update((name, value) for name, value in variables if name)
    return denied
