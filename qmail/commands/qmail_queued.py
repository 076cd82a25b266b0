"""qmail-queued: the server that puts messages into the queue for every user.

Usage        qmail-queued          waits for the lock, serves until TERM
             qmail-queued -1       tied to its parent: gives way (exit 0) when another
                                   holds the lock, ends at end of file on descriptor 0
Runs as      qmailq; prints warnings on descriptor 2.
"""

from __future__ import annotations

import posix
import resource

from pytools.base import runtime
from pytools.base.exits import Strerr
from pytools.base.options import BadOption, getopt
from qmail.control import ids
from qmail.queue import listening
from qmail.queue.config import Config
from qmail.queue.server import Server

_DESCRIPTORS = 4096


def main(argv: list[bytes]) -> int:
    log = Strerr(b"qmail-queued")
    tied = _is_tied(argv, log)
    try:
        known = ids.lookup_warm()
    except OSError as error:
        raise log.fatal(b"unable to look up users: ", error=error) from None
    if posix.geteuid() != known.qmailq:
        # Files of another owner would be refused at delivery.
        raise log.fatal(b"must run as the user qmailq", code=100)
    return serve(Config(runtime.home, known), tied, log)


def serve(config: Config, tied: bool, log: Strerr) -> int:
    """Take the lock, then serve; the exit status."""
    _raise_limits()
    try:
        posix.chdir(config.home)
    except OSError as error:
        raise log.fatal(b"unable to chdir to ", config.home, error=error) from None
    try:
        lock = listening.take_lock(wait=not tied)
    except BlockingIOError:
        return 0
    except OSError as error:
        raise log.fatal(b"unable to lock run/queued.lock", error=error) from None
    try:
        listener = listening.listen()
    except OSError as error:
        raise log.fatal(b"unable to listen on run/queued", error=error) from None
    try:
        server = Server(config, listener, lock, 0 if tied else -1, log)
        return server.run()
    except PermissionError as error:
        raise log.fatal(b"descriptor 0 must be a pipe", error=error) from None


def _is_tied(argv: list[bytes], log: Strerr) -> bool:
    try:
        options, rest = getopt(argv[1:], b"1")
    except BadOption:
        rest = [b""]
    if rest:
        raise log.usage(b"qmail-queued [ -1 ]")
    return bool(options)


def _raise_limits() -> None:
    """Have descriptors for a worker each; whoever started us may limit its own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
