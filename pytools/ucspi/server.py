"""tcpserver's parent: accept, fork or hand on, count.

Rule 1       nothing is done here for a connection but accept, fork and a log line; what
             may take time (names, ident, rules) happens in the child.
Workers      where the whole chain is reusable (worker.py), a child that ended its
             connection cleanly gets the next one. The log has the same lines, -c the
             same meaning: both count connections, not processes.
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
import time

from pytools.base import signals
from pytools.process import child
from pytools.process.resolver import Resolver, endpoint
from pytools.ucspi import worker
from pytools.ucspi.connection import Config, serve_connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

PAUSE_SECONDS = 0.1
"""Between two tries when the system has no descriptor or memory for a connection."""
IDLE_SECONDS = 10
"""A worker that has had no connection for so long ends."""
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)


class Child:
    """A child, and the connection it serves, if any."""

    __slots__ = ("channel", "idle_since", "is_busy", "pid", "resolver")

    def __init__(self, pid: int, channel: int) -> None:
        self.pid = pid
        self.resolver = endpoint()
        """The one it asks for names, if any: that of its birth."""
        self.channel = channel
        """To a worker; -1 for a child that serves no other connection."""
        self.is_busy = True
        self.idle_since = 0.0


class Server:
    """The loop, and the number of connections that it counts."""

    __slots__ = (
        *("_by_channel", "_children", "_config", "_idle", "_limit"),
        *("_listener", "_log", "_poll", "_resolver", "_reuses", "_running"),
    )

    def __init__(
        self,
        listener: _socket.socket,
        config: Config,
        resolver: Resolver,
        reuses: bool = False,
    ) -> None:
        self._listener = listener
        self._config = config
        self._log = config.log
        self._limit = config.arguments.limit
        self._resolver = resolver
        self._reuses = reuses
        self._running = 0
        self._children: dict[int, Child] = {}
        self._by_channel: dict[int, Child] = {}
        self._idle: list[Child] = []
        self._poll = select.poll()

    def run(self) -> NoReturn:
        """Serve until SIGTERM. Exit if it cannot begin."""
        listener, resolver = self._listener.fileno(), self._resolver
        try:
            pipe = signals.SelfPipe([signals.SIGCHLD])
        except OSError as error:
            raise self._log.fatal(b"unable to create pipe", error=error) from None
        signals.ignore(signals.SIGPIPE)
        # A child may have ended before its signal was caught.
        self._reap()
        self._status()
        poll = self._poll
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
            ready = {fd for fd, _ in poll.poll(self._patience())}
            if pipe.fd in ready:
                pipe.drain()
                self._reap()
            for fd in ready:
                found = self._by_channel.get(fd)
                if found is not None:
                    self._hear(found)
            self._lay_off()
            if resolver.fd in ready:
                self._start_resolver()
            if listener in ready and self._running < self._limit:
                self._accept()

    def _patience(self) -> int | None:
        """Milliseconds until an idle worker is to be looked at; None for ever."""
        return IDLE_SECONDS * 1000 if self._idle else None

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
        try:
            if not self._hand_on(fd, peer):
                self._fork(fd, peer)
        except OSError as error:
            self._log.warn_dropping(b"unable to fork", error=error)
            self._running -= 1
            self._status()
        posix.close(fd)

    def _hand_on(self, fd: int, peer: tuple[str, int]) -> bool:
        """Give the connection to the worker that was used last; False if none can."""
        while self._idle:
            chosen = self._idle.pop()
            if chosen.resolver is not endpoint():
                # It would go on to ask the resolver that was.
                self._forget_channel(chosen)
                continue
            try:
                worker.send_job(chosen.channel, fd, peer)
            except OSError:
                self._forget_channel(chosen)
                continue
            chosen.is_busy = True
            return True
        return False

    def _fork(self, fd: int, peer: tuple[str, int]) -> None:
        """Give the connection to a new child. OSError."""

        def serve(fd: int, peer: tuple[str, int]) -> NoReturn:
            serve_connection(fd, peer, self._config)

        def one() -> NoReturn:
            posix.close(self._listener.detach())
            serve(fd, peer)

        try:
            channel = worker.channel() if self._reuses else None
        except OSError:
            # No descriptor is left for one: no reason to turn a client away.
            channel = None
        if channel is None:
            pid = child.fork(one)
            self._children[pid] = Child(pid, -1)
            return
        ours, theirs = channel
        try:
            pid = child.fork(lambda: worker.run(theirs, fd, peer, serve))
        except OSError:
            posix.close(ours)
            raise
        finally:
            posix.close(theirs)
        self._children[pid] = self._by_channel[ours] = Child(pid, ours)
        self._poll.register(ours, select.POLLIN)

    def _hear(self, found: Child) -> None:
        """A worker is free again, or will not be."""
        if not worker.is_done(found.channel):
            # Its connection, if any, goes on until it is reaped.
            self._dismiss([found])
            return
        self._ended(found, 0)
        found.idle_since = time.monotonic()
        self._idle.append(found)

    def _lay_off(self) -> None:
        """End the workers that have been idle for long; the oldest come first."""
        if self._idle:
            before = time.monotonic() - IDLE_SECONDS
            self._dismiss([each for each in self._idle if each.idle_since <= before])

    def _dismiss(self, workers: list[Child]) -> None:
        for each in list(workers):
            if each in self._idle:
                self._idle.remove(each)
            self._forget_channel(each)

    def _forget_channel(self, found: Child) -> None:
        """Have no more jobs for a worker; an idle one ends at that."""
        if found.channel >= 0:
            del self._by_channel[found.channel]
            self._poll.unregister(found.channel)
            posix.close(found.channel)
            found.channel = -1

    def _reap(self) -> None:
        """Count the children that have ended."""
        for pid, status in child.reap():
            if self._resolver.reaped(pid):
                continue
            found = self._children.pop(pid, None) or Child(pid, -1)
            if found.channel >= 0:
                if found.is_busy and worker.is_done(found.channel):
                    # It had finished before it was killed.
                    status = 0
                self._dismiss([found])
            if found.is_busy:
                self._ended(found, status)

    def _ended(self, found: Child, status: int) -> None:
        """A connection is over."""
        found.is_busy = False
        self._log.event(b"end %d status %d" % (found.pid, status))
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
