"""What is known of a client, the environment made of it, and whether it may come in.

Contract     nothing here waits for anybody: names and ident answers are known or not.
             The rules file is opened for every connection, so a new one counts at once.
"""

from __future__ import annotations

import errno
import posix
import time

from pytools.base.cdb import Cdb
from pytools.ucspi import address, limits, rules
from pytools.ucspi.log import Log, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.ucspi.address import Address
    from pytools.ucspi.arguments import Arguments
    from pytools.ucspi.counts import Standing
    from pytools.ucspi.limits import Excess

OURS = (
    b"PROTO",
    *(b"TCPLOCALIP", b"TCPLOCALPORT", b"TCPLOCALHOST"),
    *(b"TCPREMOTEIP", b"TCPREMOTEPORT", b"TCPREMOTEHOST", b"TCPREMOTEINFO"),
    # COMPAT: the original knows nothing of these and passes on what it got; a stale one
    # would contradict the others.
    *(b"TCP6LOCALIP", b"TCP6LOCALPORT", b"TCP6LOCALHOST", b"TCP6INTERFACE"),
    *(b"TCP6REMOTEIP", b"TCP6REMOTEPORT", b"TCP6REMOTEHOST", b"TCP6REMOTEINFO"),
    *(b"TCPPROXYIP", b"TCPPROXYPORT"),
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


class Client:
    """A connection: its two ends, and what could be learned about them."""

    __slots__ = ("info", "local", "local_host", "proxy", "remote", "remote_host")

    def __init__(self, local: Address, remote: Address) -> None:
        self.local = local
        self.remote = remote
        self.local_host: bytes | None = None
        self.remote_host: bytes | None = None
        self.info: bytes | None = None
        self.proxy: Address | None = None
        """Who says that ``remote`` is the client."""


def environment(config: Config, client: Client) -> dict[bytes, bytes]:
    """The environment of tcp-environ(5), before the rules."""
    env = dict(config.env)
    named: list[tuple[bytes, bytes | None]] = [
        (b"LOCALIP", address.text(client.local)),
        (b"LOCALPORT", b"%d" % client.local[1]),
        (b"REMOTEIP", address.text(client.remote)),
        (b"REMOTEPORT", b"%d" % client.remote[1]),
        (b"LOCALHOST", client.local_host),
        (b"REMOTEHOST", client.remote_host),
        (b"REMOTEINFO", client.info),
    ]
    for name, value in named:
        if value is not None:
            env[b"TCP" + name] = value
    if address.is_ip6(client.remote):
        env[b"PROTO"] = b"TCP6"
        for name, value in named:
            if value is not None:
                env[b"TCP6" + name] = value
        interface = address.interface(client.remote)
        if interface:
            env[b"TCP6INTERFACE"] = interface
    if client.proxy is not None:
        env[b"TCPPROXYIP"] = address.text(client.proxy)
        env[b"TCPPROXYPORT"] = b"%d" % client.proxy[1]
    return env


def follow_rules(config: Config, env: dict[bytes, bytes], client: Client) -> bool:
    """Set the variables of the client's rule; True if it is denied. Exit."""
    arguments = config.arguments
    if arguments.rules is None:
        return False
    try:
        with Cdb(arguments.rules) as cdb:
            found = rules.look_up(
                cdb.get,
                address.text(client.remote),
                client.remote_host,
                client.info,
            )
    except OSError as error:
        if error.errno == errno.ENOENT and arguments.allow_no_rules:
            return False
        # SECURITY: rules that cannot be read must not turn into "allowed".
        raise config.log.dropping(
            b"unable to read ", arguments.rules, error=error
        ) from None
    if found is None:
        return False
    denied, variables = rules.decode(found[1])
    # An empty name is legal in a rule, but no environment can hold it.
    env.update((name, value) for name, value in variables if name)
    return denied


def excess(env: dict[bytes, bytes], standing: Standing) -> Excess | None:
    """The limit of its rule that the client is over, if any."""
    return limits.exceeded(env, standing, time.monotonic(), _load)


def _load() -> float:
    try:
        return posix.getloadavg()[0]
    except OSError:
        return 0.0


def line(pid: int, denied: bool, client: Client) -> bytes:
    """The log's line about a client that was let in or not.

    In an IPv6 address ``?`` stands for the colon, as in every field of this line.
    """
    return b"%b %d %b:%b:%d %b:%b:%b:%d" % (
        b"deny" if denied else b"ok",
        pid,
        field(client.local_host),
        field(address.text(client.local)),
        client.local[1],
        field(client.remote_host),
        field(address.text(client.remote)),
        field(client.info),
        client.remote[1],
    )


def limit_line(pid: int, over: Excess) -> bytes:
    """The log's line about the limit that a client was over."""
    return b"limit %d %b %d %b" % (pid, over.name, over.found, field(over.value))
