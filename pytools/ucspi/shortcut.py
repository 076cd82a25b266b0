"""The short way from a connection to a foreign program.

Why          a fork copies the page tables of an interpreter, and what Python does in
             the child copies pages; exec throws all that away.
             PERF: connections a second with /bin/true, one at a time: 360 by the long
             way, 546 forked, 1837 spawned (the original 1300 to 1430; busy machine).
When         nothing has to be waited for: no names, no ident, no banner, no PROXY
             header; and the program is not ours. The parent then knows the verdict.
Spawned      without -v the program is started by vfork, from the parent's own memory.
Forked       with -v a line of the log needs the pid before the program starts: a child
             writes it, and executes what the parent has made ready.
Same         whatever does not go smoothly goes the long way, and says there what it has
             always said.
"""

from __future__ import annotations

import _socket
import posix

from pytools.base.environment import environ
from pytools.base.exits import Exit, complain
from pytools.process import chain, child
from pytools.process.spawn import spawn
from pytools.ucspi import address, verdict
from pytools.ucspi.connection import finish, say_why, set_options
from pytools.ucspi.log import VERBOSE
from pytools.ucspi.verdict import Client, Config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from pytools.ucspi.address import Address
    from pytools.ucspi.counts import Standing
    from pytools.ucspi.limits import Excess

TURNED_AWAY = 0


class Ready:
    """A connection of which everything is known but the pid."""

    __slots__ = ("client", "denied", "env", "failure", "over")

    def __init__(self, client: Client, env: dict[bytes, bytes]) -> None:
        self.client = client
        self.env = env
        self.denied = False
        self.over: Excess | None = None
        self.failure: Exit | None = None
        """Why the rules could not be followed."""


def is_possible(config: Config) -> bool:
    """May connections of this server go the short way?"""
    arguments = config.arguments
    return (
        not arguments.look_up_host
        and not arguments.look_up_info
        and arguments.local_host is not None
        and not arguments.banner
        and chain.EXEC_ALWAYS not in environ
    )


def start(fd: int, peer: Address, config: Config, standing: Standing) -> int | None:
    """The program's pid; TURNED_AWAY without one; None: go the long way. OSError."""
    if address.is_in(address.text(peer), config.arguments.proxies):
        return None
    path = _foreign(config.arguments.program[0])
    if path is None:
        return None
    connection = _socket.socket(_socket.AF_INET6, _socket.SOCK_STREAM, 0, fd)
    try:
        set_options(connection, config)
        client = Client(address.plain(connection.getsockname()), peer)
    except OSError:
        return None
    finally:
        connection.detach()
    client.local_host = config.arguments.local_host
    ready = Ready(client, verdict.environment(config, client))
    try:
        ready.denied = verdict.follow_rules(config, ready.env, client)
        if not ready.denied:
            ready.over = verdict.excess(ready.env, standing)
    except Exit as end:
        ready.failure = end
    if b"" in ready.env or chain.EXEC_ALWAYS in ready.env:
        return None
    if config.log.verbosity >= VERBOSE:
        return child.fork(lambda: _serve(fd, path, ready, config))
    return _spawn(fd, path, ready, config)


def _foreign(name: bytes) -> bytes | None:
    """The file that would be executed; None if it is ours, or if there is none."""
    try:
        path, ours = chain.resolve(name)
    except (OSError, ValueError):
        return None
    return path if ours is None else None


def _spawn(fd: int, path: bytes, ready: Ready, config: Config) -> int | None:
    if ready.failure is not None and ready.failure.text:
        complain(ready.failure.text)
    if ready.over is not None:
        say_why(fd, ready.env)
    if ready.denied or ready.over is not None or ready.failure is not None:
        return TURNED_AWAY
    return spawn(path, config.arguments.program, ready.env, fd)


def _serve(fd: int, path: bytes, ready: Ready, config: Config) -> NoReturn:
    """In a child: the lines of the log, and the program."""
    pid = posix.getpid()
    config.log.event(b"pid %d from %b" % (pid, address.text(ready.client.remote)))
    if ready.failure is not None:
        raise ready.failure
    finish(fd, ready.env, config, ready.client, ready.denied, ready.over, path)
