"""tcpserver: accept TCP connections and run a program for each.

Contract     argv: options, host, port, program; listens as the starting user, then
             becomes -g and -u. The program gets the connection as descriptors 0 and 1
             and the environment of tcp-environ(5). Log lines on descriptor 2.
Exit         0 after SIGTERM; 100 for bad usage; 111 when it cannot start.
Warm         it imports what its program needs before it accepts anything, and forks a
             child per connection, without exec where the program is one of ours.
"""

from __future__ import annotations

import posix

from pytools.base import accounts, fds
from pytools.base.environment import environ
from pytools.base.exits import Exit
from pytools.process import chain, child, title
from pytools.process.resolver import Resolver
from pytools.ucspi import arguments, handover, listening, worker
from pytools.ucspi.log import Log
from pytools.ucspi.server import Server, end_at_term
from pytools.ucspi.verdict import Config


def next_program(argv: list[bytes]) -> list[bytes] | None:
    """The program that would be run for each connection."""
    try:
        return arguments.parse(argv, environ).program
    except Exit:
        return None


def main(argv: list[bytes]) -> int:
    args = arguments.parse(argv, environ)
    log = Log(args.verbosity)
    if handover.is_handover(args.host):
        end_at_term()
        listeners = handover.take(args.host, environ, log)
    else:
        port = listening.find_port(args.port, log)
        address = listening.find_address(args.host, args.families, log)
        end_at_term()
        listener = listening.listen(address, port, args.backlog, log, args.families)
        listeners = [listener]
    _become(args, log)
    try:
        ports = [each.getsockname()[1] for each in listeners]
    except OSError as error:
        raise log.fatal(b"unable to get local address", error=error) from None
    if args.print_port:
        _print_ports(ports)
    chain.preload(args.program)
    title.load()
    resolver = Resolver()
    child.settle()
    try:
        if args.look_up_host or args.local_host is None:
            resolver.start()
        else:
            # A program of the chain may still ask; its first query starts the child.
            resolver.open()
    except OSError:
        resolver.close()
    posix.closerange(0, 2)
    reuses = chain.is_reusable(args.program) and worker.is_possible()
    Server(listeners, Config(args, environ, ports[0]), resolver, reuses).run()


def _become(args: arguments.Arguments, log: Log) -> None:
    """Give up the starting user's group and uid, in this order."""
    if args.gid:
        try:
            accounts.set_gid(args.gid)
        except OSError as error:
            raise log.fatal(b"unable to set gid", error=error) from None
    if args.uid:
        try:
            accounts.set_uid(args.uid)
        except OSError as error:
            raise log.fatal(b"unable to set uid", error=error) from None


def _print_ports(ports: list[int]) -> None:
    try:
        fds.write_all(1, b"".join(b"%d\n" % port for port in ports))
    except OSError:
        # COMPAT: a closed standard output is no reason not to serve.
        pass
