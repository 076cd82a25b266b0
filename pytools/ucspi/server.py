"""tcpserver's parent: accept, fork, count.

Rule 1       nothing is done here for a connection but accept, fork and a log line; what
             may take time (names, ident, rules) happens in the child.
Rule 2       every descriptor is an int and close-on-exec; the one socket object is the
             listener, and the child's first act is to detach and close it.
Signals      TERM ends the server at once, whatever it waits for; its children live on.
             CHLD wakes the loop.
"""

from __future__ import annotations

import _socket
import errno
import posix
import select

from pytools.base import signals
from pytools.process import child
from pytools.process.resolver import Resolver
from pytools.ucspi.connection import Config, serve_connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

PAUSE_SECONDS = 0.1
"""Between two tries when the system has no descriptor or memory for a connection."""
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)


class Server:
    """The loop, and the number of children that it counts."""

    __slots__ = ("_config", "_limit", "_listener", "_log", "_resolver", "_running")

    def __init__(
        self, listener: _socket.socket, config: Config, resolver: Resolver
    ) -> None:
        self._listener = listener
        self._config = config
        self._log = config.log
        self._limit = config.arguments.limit
        self._resolver = resolver
        self._running = 0

    def run(self) -> NoReturn:
        """Serve until SIGTERM."""
        listener, resolver = self._listener.fileno(), self._resolver
        pipe = signals.SelfPipe([signals.SIGCHLD])
        signals.ignore(signals.SIGPIPE)
        # A child may have ended before its signal was caught.
        self._reap()
        self._status()
        poll = select.poll()
        poll.register(pipe.fd, select.POLLIN)
        watched = {pipe.fd}
        while True:
            wanted = {pipe.fd}
            if self._running < self._limit:
                # At the limit nothing is accepted: clients wait, nobody is refused.
                wanted.add(listener)
            if resolver.wanted:
                wanted.add(resolver.fd)
            if wanted != watched:
                for fd in watched - wanted:
                    poll.unregister(fd)
                for fd in wanted - watched:
                    poll.register(fd, select.POLLIN)
                watched = wanted
            ready = {fd for fd, _ in poll.poll()}
            if pipe.fd in ready:
                pipe.drain()
                self._reap()
            if resolver.fd in ready:
                self._start_resolver()
            if listener in ready:
                self._accept()

    def _accept(self) -> None:
        """Take a connection and give it to a child."""
        try:
            # The method below accept(): gives an int, not an object.
            fd, peer = self._listener._accept()  # type: ignore[attr-defined]  # private
        except OSError as error:
            if error.errno in EXHAUSTED:
                select.select([], [], [], PAUSE_SECONDS)
            return
        self._running += 1
        self._status()
        try:
            self._resolver.reopen()
        except OSError:
            pass

        def serve() -> NoReturn:
            posix.close(self._listener.detach())
            serve_connection(fd, peer, self._config)

        try:
            child.fork(serve)
        except OSError as error:
            self._log.warn_dropping(b"unable to fork", error=error)
            self._running -= 1
            self._status()
        posix.close(fd)

    def _reap(self) -> None:
        """Count the children that have ended."""
        for pid, status in child.reap():
            if self._resolver.reaped(pid):
                continue
            self._log.event(b"end %d status %d" % (pid, status))
            if self._running:
                self._running -= 1
            self._status()

    def _start_resolver(self) -> None:
        try:
            self._resolver.start()
        except OSError:
            # Without one a child that needs names looks them up itself.
            self._resolver.close()

    def _status(self) -> None:
        self._log.event(b"status: %d/%d" % (self._running, self._limit))


def end_at_term() -> None:
    """From now on SIGTERM is the regular end: status 0."""
    signals.catch(signals.SIGTERM, _end)


def _end(number: int, frame: object) -> None:
    # COMPAT: at once, even when the log's reader is stuck; nothing is left to put away.
    posix._exit(0)
