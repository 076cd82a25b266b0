"""tcpserver's children: which serves what, and how many connections there are.

Workers      where the whole chain is reusable (worker.py), a child that ended its
             connection cleanly gets the next one. The log has the same lines, -c the
             same meaning: both count connections, not processes.
Proxied      a child whose client comes by a trusted proxy says who that is; the
             connection is then counted for the client and not for the proxy.
"""

from __future__ import annotations

import _socket
import posix
import select
import time

from pytools.process import child
from pytools.process.resolver import Resolver, endpoint
from pytools.ucspi import address, shortcut, worker
from pytools.ucspi.connection import serve_connection
from pytools.ucspi.counts import Counts, Standing
from pytools.ucspi.verdict import Config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from pytools.ucspi.address import Address
    from pytools.ucspi.worker import Report

IDLE_SECONDS = 10
"""A worker that has had no connection for so long ends."""


class Child:
    """A child, and the connection it serves, if any."""

    __slots__ = ("channel", "client", "idle_since", "is_busy", "pid", "resolver")

    def __init__(self, pid: int, channel: int, client: bytes) -> None:
        self.pid = pid
        self.resolver = endpoint()
        """The one it asks for names, if any: that of its birth."""
        self.channel = channel
        """To a worker, or to a child that will name its client; else -1."""
        self.client = client
        """The address that its connection is counted for."""
        self.is_busy = True
        self.idle_since = 0.0


class Children:
    """All of them. ``running`` is the number of connections, ``taken`` of all so far."""

    __slots__ = (
        *("_by_channel", "_by_pid", "_config", "_idle", "_listeners", "_log", "_poll"),
        *("_resolver", "_reuses", "_may_go_short", "counts", "running", "taken"),
    )

    def __init__(
        self,
        config: Config,
        listeners: list[_socket.socket],
        resolver: Resolver,
        poll: select.poll,
        reuses: bool,
    ) -> None:
        self._config = config
        self._log = config.log
        self._listeners = listeners
        self._resolver = resolver
        self._poll = poll
        self._reuses = reuses
        self._may_go_short = not reuses and shortcut.is_possible(config)
        self._by_pid: dict[int, Child] = {}
        self._by_channel: dict[int, Child] = {}
        self._idle: list[Child] = []
        self.counts = Counts()
        self.running = 0
        self.taken = 0

    @property
    def has_idle(self) -> bool:
        """True while a worker waits for a connection."""
        return bool(self._idle)

    @property
    def workers(self) -> int:
        """How many children would serve another connection."""
        return len(self._by_channel) if self._reuses else 0

    def begin(self, fd: int, peer: Address) -> None:
        """Have a connection served; the caller closes ``fd``."""
        client = address.text(peer)
        self.running += 1
        self.taken += 1
        self.counts.come(client, time.monotonic())
        self.say_status()
        try:
            self._resolver.reopen()
        except OSError:
            pass
        standing = self.counts.standing(client)
        try:
            if self._may_go_short and self._go_short(fd, peer, standing):
                return
            if not self._hand_on(fd, peer, standing):
                self._fork(fd, peer, standing)
        except OSError as error:
            self._log.warn_dropping(b"unable to fork", error=error)
            self.running -= 1
            self.counts.gone(client)
            self.say_status()

    def _go_short(self, fd: int, peer: Address, standing: Standing) -> bool:
        """Go the short way to a foreign program; False if there is none. OSError."""
        pid = shortcut.start(fd, peer, self._config, standing)
        if pid is None:
            return False
        client = address.text(peer)
        if pid == shortcut.TURNED_AWAY:
            self.running -= 1
            self.counts.gone(client)
        else:
            self._by_pid[pid] = Child(pid, -1, client)
        return True

    def _hand_on(self, fd: int, peer: Address, standing: Standing) -> bool:
        """Give the connection to the worker that was used last; False if none can."""
        while self._idle:
            chosen = self._idle.pop()
            if chosen.resolver is not endpoint():
                # It would go on to ask the resolver that was.
                self._forget_channel(chosen)
                continue
            try:
                worker.send_job(chosen.channel, fd, peer, standing)
            except OSError:
                self._forget_channel(chosen)
                continue
            chosen.is_busy = True
            chosen.client = address.text(peer)
            return True
        return False

    def _fork(self, fd: int, peer: Address, standing: Standing) -> None:
        """Give the connection to a new child. OSError."""
        config, client = self._config, address.text(peer)
        proxied = address.is_in(client, config.arguments.proxies)

        def serve(
            fd: int, peer: Address, standing: Standing, report: Report
        ) -> NoReturn:
            serve_connection(fd, peer, config, standing, report)

        try:
            channel = worker.channel() if self._reuses or proxied else None
        except OSError:
            if proxied:
                # It could not be counted for its client.
                raise
            # No descriptor is left for one: no reason to turn a client away.
            channel = None
        ours, theirs = channel if channel is not None else (-1, -1)

        def one() -> NoReturn:
            for listener in self._listeners:
                posix.close(listener.detach())
            serve(fd, peer, standing, lambda client: worker.report(theirs, client))

        def several() -> int:
            return worker.run(theirs, (fd, peer, standing), serve)

        try:
            pid = child.fork(several if self._reuses and channel is not None else one)
        except OSError:
            if channel is not None:
                posix.close(ours)
            raise
        finally:
            if channel is not None:
                posix.close(theirs)
        self._by_pid[pid] = made = Child(pid, ours, client)
        if channel is not None:
            self._by_channel[ours] = made
            self._poll.register(ours, select.POLLIN)

    def hear(self, fd: int) -> None:
        """Something came on a channel: a worker is free again, or will not be."""
        found = self._by_channel.get(fd)
        if found is None:
            return
        said = worker.hear(fd)
        if said is None:
            return
        if said == worker.DONE and found.is_busy:
            self._ended(found, 0)
            found.idle_since = time.monotonic()
            self._idle.append(found)
        elif said.startswith(worker.CLIENT) and found.is_busy:
            self._count_for(found, said[len(worker.CLIENT) :])
        else:
            # Its connection, if any, goes on until it is reaped.
            self._dismiss([found])

    def _count_for(self, found: Child, client: bytes) -> None:
        """A child has said who its client is."""
        self.counts.gone(found.client)
        found.client = client
        self.counts.come(client, time.monotonic())
        try:
            worker.answer(found.channel, self.counts.standing(client))
        except OSError:
            self._dismiss([found])

    def lay_off(self, seconds: float = IDLE_SECONDS) -> None:
        """End the workers that have been idle for so long; the oldest come first."""
        if self._idle:
            before = time.monotonic() - seconds
            self._dismiss([each for each in self._idle if each.idle_since <= before])

    def _dismiss(self, workers: list[Child]) -> None:
        for each in workers:
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

    def reap(self) -> None:
        """Count the children that have ended."""
        for pid, status in child.reap():
            if self._resolver.reaped(pid):
                continue
            found = self._by_pid.pop(pid, None)
            if found is None:
                # COMPAT: one that was there before this program is nobody's connection:
                # it has its lines in the log, and is not counted. The original takes one
                # from its count, and serves one client more than -c allows.
                self._say_end(pid, status)
                continue
            if found.channel >= 0:
                while found.is_busy and (said := worker.hear(found.channel)):
                    if said == worker.DONE:
                        # It had finished before it was killed.
                        status = 0
                        break
                self._dismiss([found])
            if found.is_busy:
                self._ended(found, status)

    def _ended(self, found: Child, status: int) -> None:
        """A connection is over."""
        found.is_busy = False
        self.counts.gone(found.client)
        self.running -= 1
        self._say_end(found.pid, status)

    def _say_end(self, pid: int, status: int) -> None:
        self._log.event(b"end %d status %d" % (pid, status))
        self.say_status()

    def say_status(self) -> None:
        """The line that every change of the number of connections has."""
        self._log.event(b"status: %d/%d" % (self.running, self._config.arguments.limit))
