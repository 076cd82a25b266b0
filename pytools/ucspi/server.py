"""tcpserver's parent: accept, have it served, count.

Rule 1       nothing is done here for a connection that may take time: names, ident and
             all that a client is waited for happen in a child. Rules are read here only
             where nothing else is needed to start a foreign program (shortcut.py).
Rule 2       every descriptor is an int and close-on-exec; the only socket objects are
             the listeners, which a child gives up before it serves its client.
Signals      TERM ends the server at once, whatever it waits for; its children live on.
             With -w the first TERM closes the listeners and lets connections end, the
             second one ends it. CHLD wakes the loop. USR1 asks for a line about it.
Shared       O_NONBLOCK is a flag of the open file, and whoever handed a socket over has
             the same one: it is set as long as this server listens, then taken back.
"""

from __future__ import annotations

import _socket
import errno
import posix
import select
import time

from pytools.base import signals
from pytools.base.exits import Exit, complain
from pytools.process.resolver import Resolver
from pytools.ucspi.address import plain
from pytools.ucspi.children import IDLE_SECONDS, Children
from pytools.ucspi.log import QUIET
from pytools.ucspi.verdict import Config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

PAUSE_SECONDS = 0.1
"""Between two tries when the system has no descriptor or memory for a connection."""
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
NOBODY = (errno.EAGAIN, *EXHAUSTED)
"""accept's other errors are about one client that has gone."""
LONGEST_POLL_MS = 2**31 - 1
"""poll takes an int; the loop only looks once more after so long."""
SHOWN_ADDRESSES = 5
"""In the line that USR1 asks for."""


class Server:
    """The loop."""

    __slots__ = (
        *("_blocking", "_config", "_deadline", "_is_draining", "_limit", "_listeners"),
        *("_log", "_poll", "_queued", "_resolver", "_watched", "children"),
    )

    def __init__(
        self,
        listeners: list[_socket.socket],
        config: Config,
        resolver: Resolver,
        reuses: bool = False,
    ) -> None:
        self._listeners = listeners
        self._blocking: list[int] = []
        """Those that were handed over without O_NONBLOCK."""
        self._config = config
        self._log = config.log
        self._limit = config.arguments.limit
        self._resolver = resolver
        self._poll = select.poll()
        self._watched: set[int] = set()
        self._is_draining = False
        self._deadline: float | None = None
        self._queued: list[int] = []
        """In a drain: how many more may have waited at each listener."""
        self.children = Children(config, listeners, resolver, self._poll, reuses)

    def run(self) -> NoReturn:
        """Serve until SIGTERM. Exit if it cannot begin, and at the end of a drain."""
        try:
            pipe = signals.SelfPipe([signals.SIGCHLD])
        except OSError as error:
            raise self._log.fatal(b"unable to create pipe", error=error) from None
        signals.ignore(signals.SIGPIPE)
        is_patient = self._config.arguments.drain is not None
        signals.catch(signals.SIGTERM, self._end_next_time if is_patient else self._end)
        self._borrow()
        if not signals.is_ignored(signals.SIGUSR1):
            # COMPAT: by default the signal would end the server.
            signals.catch(signals.SIGUSR1, _noted)
        # A child may have ended before its signal was caught.
        self.children.reap()
        self.children.say_status()
        while True:
            self._watch(pipe.fd)
            ready = {fd for fd, _ in self._poll.poll(self._patience())}
            if pipe.fd in ready:
                self._heed(pipe.drain())
            for fd in ready:
                self.children.hear(fd)
            self.children.lay_off()
            if self._resolver.fd in ready:
                self._start_resolver()
            if self._is_draining:
                if self._listeners:
                    self._take_queued()
                self._end_when_drained()
                continue
            for listener in self._listeners:
                if listener.fileno() in ready and self.children.running < self._limit:
                    self._accept(listener)

    def _watch(self, pipe: int) -> None:
        """Poll what there is to poll now, beside the channels of the children."""
        wanted = {pipe}
        if self.children.running < self._limit:
            # At the limit nothing is accepted: clients wait, nobody is refused.
            wanted.update(listener.fileno() for listener in self._listeners)
        if self._resolver.wanted:
            wanted.add(self._resolver.fd)
        if wanted != self._watched:
            for fd in self._watched - wanted:
                self._poll.unregister(fd)
            for fd in wanted - self._watched:
                self._poll.register(fd, select.POLLIN)
            self._watched = wanted

    def _unwatch(self, fd: int) -> None:
        """Before a descriptor is closed: its number may be a channel's at once."""
        if fd in self._watched:
            self._poll.unregister(fd)
            self._watched.remove(fd)

    def _patience(self) -> int | None:
        """Milliseconds until something is to be looked at; None for ever."""
        if self._is_draining and self._listeners:
            return 0
        if self._deadline is not None:
            left = max(0, int((self._deadline - time.monotonic()) * 1000)) + 1
            return min(left, LONGEST_POLL_MS)
        return IDLE_SECONDS * 1000 if self.children.has_idle else None

    def _heed(self, numbers: list[int]) -> None:
        """Do what the signals ask for."""
        self.children.reap()
        if signals.SIGTERM in numbers and self._config.arguments.drain is not None:
            self._drain(self._config.arguments.drain)
        if signals.SIGUSR1 in numbers and self._log.verbosity != QUIET:
            complain(self._report())

    def _accept(self, listener: _socket.socket) -> int:
        """Take a connection and have it served; 0, or why there is none (an errno)."""
        try:
            # The method below accept(): gives an int, not an object.
            fd, peer = listener._accept()  # type: ignore[attr-defined]  # private
        except OSError as error:
            if error.errno in EXHAUSTED:
                select.select([], [], [], PAUSE_SECONDS)
            return error.errno or errno.EIO
        self.children.begin(fd, plain(peer))
        posix.close(fd)
        return 0

    def _start_resolver(self) -> None:
        try:
            self._resolver.start()
        except OSError:
            # Without one a child that needs names looks them up itself.
            self._unwatch(self._resolver.fd)
            self._resolver.close()

    def _drain(self, seconds: int) -> None:
        """Take no more connections than wait by now."""
        if self._is_draining:
            return
        self._is_draining = True
        if seconds:
            self._deadline = time.monotonic() + seconds
        # The kernel lets one more wait than it was told.
        self._queued = [self._config.arguments.backlog + 1] * len(self._listeners)

    def _take_queued(self) -> None:
        """Serve who waited at SIGTERM; then another server may have the port.

        They have been told by the kernel that they are connected, and a listener that is
        closed resets them. So it may be over the limit by a backlog, for which nobody
        has to wait. While there is no descriptor for one it is tried again, as long
        as connections end that may leave theirs.
        """
        for index, listener in enumerate(self._listeners):
            while self._queued[index] > 0 and not self._is_late:
                why = self._accept(listener)
                if why in EXHAUSTED and self.children.running:
                    return
                self._queued[index] = 0 if why in NOBODY else self._queued[index] - 1
        self._give_back()
        for listener in self._listeners:
            self._unwatch(listener.fileno())
            posix.close(listener.detach())
        self._listeners.clear()
        self._log.event(b"drain %d" % self.children.running)

    @property
    def _is_late(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _end_when_drained(self) -> None:
        """Exit when no connection is left, or no time."""
        self.children.lay_off(0)
        if not self._listeners and (self._is_late or not self.children.running):
            raise Exit(0)

    def _borrow(self) -> None:
        """Have listeners that do not block."""
        for listener in self._listeners:
            if posix.get_blocking(listener.fileno()):
                self._blocking.append(listener.fileno())
                listener.setblocking(False)

    def _give_back(self) -> None:
        """The opposite, before they are closed."""
        for fd in self._blocking:
            posix.set_blocking(fd, True)
        self._blocking.clear()

    def _end(self, number: int, frame: object) -> None:
        self._give_back()
        _end(number, frame)

    def _end_next_time(self, number: int, frame: object) -> None:
        # The loop learns of this one from its pipe.
        signals.catch(signals.SIGTERM, self._end)

    def _report(self) -> bytes:
        children = self.children
        most = children.counts.most(SHOWN_ADDRESSES)
        shown = b"".join(b" %b=%d" % (ip, count) for ip, count in most)
        return b"tcpserver: report: %d/%d connections, %d workers, %d accepted;%b" % (
            *(children.running, self._limit, children.workers, children.taken),
            shown,
        )


def end_at_term() -> None:
    """From now on SIGTERM is the regular end: status 0."""
    signals.catch(signals.SIGTERM, _end)


def _end(number: int, frame: object) -> None:
    # COMPAT: at once, even when the log's reader is stuck; nothing is left to put away.
    posix._exit(0)


def _noted(number: int, frame: object) -> None:
    # The wakeup descriptor has the byte already.
    pass
