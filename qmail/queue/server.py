"""qmail-queued's acceptor: everything that connects is handed to a worker at once.

It alone holds the lock and the listening socket; it reads no byte of a caller, so no
caller can hold it up. Its state is the slots (slots.py) and the pool: workers fork when
all are busy, the last one used is the next one used, and those that stay idle end.
End           TERM, or end of file on the tether: the name of the socket goes, who has
              connected by then is still served, the lock is free, and workers finish.
"""

from __future__ import annotations

import errno
import posix
import select
import time
from _socket import MSG_DONTWAIT, MSG_NOSIGNAL

from pytools.base import locks, signals
from pytools.process import child, handing, title
from qmail.queue import exitcodes, handoff, layout, wire, worker
from qmail.queue.numbering import Numbers
from qmail.queue.slots import Slots

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Final

    from pytools.base.exits import Strerr
    from qmail.queue.config import Config

_ACCEPT_AT_ONCE: Final = 64
_THROTTLE_SECONDS: Final = 0.5
_ROOM_SECONDS: Final = 60.0
_STOPS: Final = (signals.SIGTERM, signals.SIGINT)
_IGNORED: Final = (
    *(signals.SIGHUP, signals.SIGPIPE, signals.SIGALRM),
    *(signals.SIGUSR1, signals.SIGUSR2),
)


class Worker:
    """What the acceptor knows of one of its workers."""

    __slots__ = ("channel", "idle_since", "messages", "overdue_at", "pid", "uid")

    def __init__(self, pid: int, channel: _socket.socket) -> None:
        self.pid = pid
        self.channel = channel
        self.messages = 0
        self.uid: int | None = None  # of the caller it is busy with
        self.idle_since = 0.0
        self.overdue_at = 0.0


class Server:
    """The acceptor's loop. `lock` and `tether` are descriptors, tether -1 for none."""

    __slots__ = (
        *("_config", "_epoll", "_idle", "_listener", "_lock", "_log", "_look_at"),
        *("_numbers", "_room_at"),
        *("_paused_until", "_pipe", "_slots", "_stopping", "_tether", "_workers"),
    )

    def __init__(
        self,
        config: Config,
        listener: _socket.socket,
        lock: int,
        tether: int,
        log: Strerr,
    ) -> None:
        self._config = config
        self._listener = listener
        self._lock = lock
        self._tether = tether
        self._log = log
        self._slots = Slots(config)
        self._numbers = Numbers()
        self._workers: dict[int, Worker] = {}  # by the number of their channel
        self._idle: list[Worker] = []
        self._stopping = False
        self._paused_until = 0.0
        self._look_at = 0.0
        self._room_at = 0.0
        self._pipe = signals.SelfPipe((*_STOPS, signals.SIGCHLD))
        for number in _IGNORED:
            signals.ignore(number)
        self._epoll = select.epoll()

    def run(self) -> int:
        """Serve until told to stop; the exit status."""
        listener = self._listener.fileno()
        self._epoll.register(listener, select.EPOLLIN)
        self._epoll.register(self._pipe.fd, select.EPOLLIN)
        if self._tether >= 0:
            self._epoll.register(self._tether, select.EPOLLIN)
        child.settle()
        while not self._stopping:
            self._resume()
            self._keep_spare()
            ready = dict(self._epoll.poll(self._patience()))
            # The listener last: who has just been served has its slot free again.
            connections = ready.pop(listener, 0)
            for fd in ready:
                self._hear(fd)
            self._lay_off()
            self._end_overdue()
            if connections and not self._stopping:
                self._accept(_ACCEPT_AT_ONCE)
        self._close_down()
        return 0

    def _resume(self) -> None:
        """Accept again when the pause is over."""
        if self._paused_until and time.monotonic() >= self._paused_until:
            self._paused_until = 0.0
            self._epoll.modify(self._listener.fileno(), select.EPOLLIN)

    def _patience(self) -> float:
        """How long nothing needs to be done, if nothing happens."""
        if self._paused_until:
            return max(self._paused_until - time.monotonic(), 0.0)
        looks = []
        if len(self._idle) > self._config.spare_workers:
            looks.append(self._config.idle_seconds)
        if len(self._idle) < len(self._workers):
            looks.append(self._config.overdue_seconds)
        return float(min(looks, default=-1))

    def _hear(self, fd: int) -> None:
        found = self._workers.get(fd)
        if found is not None:
            self._hear_worker(found)
        elif fd == self._pipe.fd:
            numbers = self._pipe.drain()
            if signals.SIGCHLD in numbers:
                self._reap()
            self._stopping |= any(number in _STOPS for number in numbers)
        elif fd == self._tether and not _has_bytes(fd):
            self._stopping = True

    def _hear_workers(self) -> None:
        for fd, _ in self._epoll.poll(0):
            if fd in self._workers:
                self._hear_worker(self._workers[fd])

    def _hear_worker(self, found: Worker) -> None:
        """A worker is free again, or has ended."""
        try:
            note = found.channel.recv(len(handoff.DONE))
        except OSError:
            note = b""
        if found.uid is not None:
            self._slots.release(found.uid)
            found.uid = None
        if not note or found.messages >= self._config.messages_per_worker:
            self._dismiss(found)
            return
        found.idle_since = time.monotonic()
        self._idle.append(found)

    def _accept(self, most: int) -> bool:
        """Hand on what waits; False when there is no more."""
        for _ in range(most):
            try:
                # The C half of accept(): a plain descriptor, close-on-exec.
                fd, _ = self._listener._accept()  # type: ignore[attr-defined]
            except BlockingIOError:
                return False
            except OSError as error:
                self._pause(b"unable to accept", error)
                return False
            try:
                self._admit(fd)
            finally:
                posix.close(fd)
        return True

    def _admit(self, fd: int) -> None:
        uid, pid = handoff.credentials(fd)
        self._look_for_room()
        if not self._idle:
            # Who became free since the last look has said so before its caller could
            # come again: hear it first, so that nobody is counted twice.
            self._hear_workers()
        if not self._slots.take(uid):
            self._hear_workers()
            if not self._slots.take(uid):
                _refuse(fd, pid)
                return
        if not self._hand_on(fd, uid, self._numbers.take(pid)):
            self._slots.release(uid)
            _refuse(fd, pid)

    def _look_for_room(self) -> None:
        """Say, once a minute, why everybody is refused."""
        now = time.monotonic()
        if now >= self._room_at:
            self._room_at = now + _ROOM_SECONDS
            if worker.is_full(self._config, self._config.home + b"/queue"):
                self._log.warn(b"hardly any room left in queue, refusing all messages")

    def _hand_on(self, fd: int, uid: int, number: int) -> bool:
        while self._idle or self._hire(fd):
            chosen = self._idle.pop()
            try:
                handoff.send_job(chosen.channel, fd, uid, number)
            except OSError:
                # It has ended while it was idle; nothing is lost but the worker.
                self._dismiss(chosen)
                continue
            chosen.uid = uid
            chosen.messages += 1
            limit = self._config.seconds_for(uid) + self._config.overdue_seconds
            chosen.overdue_at = time.monotonic() + limit
            return True
        return False

    def _hire(self, connection: int = -1) -> bool:
        """Fork one more worker; False when that is impossible now.

        ``connection`` is one that is open here meanwhile, and not the worker's yet.
        """
        if self._paused_until:
            return False
        try:
            ours, theirs = handing.channel()
        except OSError as error:
            self._pause(b"unable to create a channel", error)
            return False
        try:
            pid = child.fork(lambda: self._become_worker(ours, theirs, connection))
        except OSError as error:
            ours.close()
            self._pause(b"unable to fork", error)
            return False
        finally:
            theirs.close()
        hired = Worker(pid, ours)
        self._workers[ours.fileno()] = hired
        self._epoll.register(ours.fileno(), select.EPOLLIN)
        hired.idle_since = time.monotonic()
        self._idle.append(hired)
        return True

    def _become_worker(
        self, ours: _socket.socket, theirs: _socket.socket, connection: int
    ) -> int:
        """In the child: let go of all that is the acceptor's."""
        # INVARIANT: a worker outlives the acceptor by as much as its message takes. It
        # must hold neither the lock nor the socket then, nor another worker's channel,
        # whose end of file would never come.
        self._listener.close()
        posix.close(self._lock)
        self._epoll.close()
        self._pipe.close()
        ours.close()
        for other in self._workers.values():
            other.channel.close()
        if self._tether >= 0:
            posix.close(self._tether)
        # A copy of a connection would keep its caller from seeing that it is over.
        if connection >= 0:
            posix.close(connection)
        title.announce(b"qmail-queued", [b"", b"worker"], stays=False)
        return worker.run(theirs, self._config, self._log)

    def _keep_spare(self) -> None:
        """Fork ahead of the demand, so that nobody waits for a fork."""
        spare = self._config.spare_workers
        if len(self._idle) < spare:
            self._hear_workers()
        while len(self._idle) < spare and self._hire():
            pass

    def _lay_off(self) -> None:
        """End the workers that have been idle for long, the oldest first."""
        surplus = len(self._idle) - self._config.spare_workers
        if surplus <= 0:
            return
        before = time.monotonic() - self._config.idle_seconds
        for found in self._idle[:surplus]:
            if found.idle_since > before:
                break
            self._dismiss(found)

    def _end_overdue(self) -> None:
        """Kill the workers that do not come back."""
        # SECURITY: a caller may send a descriptor along, and if that is a TCP socket
        # which lingers, the worker sleeps in the close that the kernel does for it.
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + self._config.overdue_seconds
        for found in self._workers.values():
            if found.uid is not None and found.overdue_at < now:
                self._log.warn(b"worker %d does not come back, killing it" % found.pid)
                try:
                    posix.kill(found.pid, signals.SIGKILL)
                except OSError:
                    pass  # it has just ended

    def _dismiss(self, found: Worker) -> None:
        """Forget a worker; it ends when its channel does."""
        if found in self._idle:
            self._idle.remove(found)
        del self._workers[found.channel.fileno()]
        self._epoll.unregister(found.channel.fileno())
        found.channel.close()

    def _reap(self) -> None:
        for pid, status in child.reap():
            if status:
                self._log.warn(b"worker %d ended with wait status %d" % (pid, status))
                # Back off: if it is the system that kills them, the next would fare
                # no better.
                self._pause(b"", None)

    def _pause(self, trouble: bytes, error: OSError | None) -> None:
        """Accept nothing for a moment; who connects meanwhile waits."""
        if trouble:
            self._log.warn(trouble, error=error)
        if not self._paused_until:
            self._paused_until = time.monotonic() + _THROTTLE_SECONDS
            self._epoll.modify(self._listener.fileno(), 0)

    def _close_down(self) -> None:
        # The name goes while the lock is held, so it is surely ours and not that of
        # the next server; who has connected by then is still served.
        try:
            posix.unlink(layout.SOCKET)
        except OSError as error:
            if error.errno != errno.ENOENT:
                self._log.warn(b"unable to remove run/queued", error=error)
        self._paused_until = 0.0
        while self._accept(_ACCEPT_AT_ONCE):
            pass
        self._listener.close()
        # By hand: a worker that was forked just now may not have closed it yet.
        locks.unlock(self._lock)
        posix.close(self._lock)
        for found in self._workers.values():
            found.channel.close()
        self._epoll.close()
        self._pipe.close()


def _has_bytes(fd: int) -> bool:
    try:
        return bool(posix.read(fd, 512))
    except OSError:
        return False


def _refuse(fd: int, pid: int) -> None:
    """Tell the caller at once that there are too many."""
    socket = handoff.adopt(fd)
    answer = wire.Answer(exitcodes.REFUSED_TEMPORARILY, pid)
    try:
        socket.send(wire.encode_answer(answer), MSG_NOSIGNAL | MSG_DONTWAIT)
    except OSError:
        pass
    finally:
        socket.detach()
