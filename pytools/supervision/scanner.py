"""svscan's passes: which supervise processes there should be, and starting those.

Identity     a service is its directory's (device, inode), whatever names lead there.
Pipe         between a service and its log, made once, kept until both supervises are
             dead and the entry is gone: what is in it survives any restart.
Passes       a full pass does as the original's, which comes every five seconds. One
             between those comes because something happened, and leaves to the full one
             what should not be hurried: a directory that is being filled, and a
             supervise that died soon after its start.
Leftovers    of an earlier svscan are left alone (svscanboot -k), and waited for.
Promise      never stops a service; a failure is a warning, the next pass tries again.
Descriptors  one stays free always: pipes of services never take the last.
"""

from __future__ import annotations

import posix
import time

from pytools.process import child
from pytools.supervision import status
from pytools.supervision.descriptors import pipe_that_spares_one
from pytools.supervision.starting import Starter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytools.base.exits import Strerr

MAX_SERVICES = 1000
MAX_NAME_WITH_LOG = 255
INTERVAL_SECONDS = 5.0
"""Between full passes. A directory younger than that may not be filled yet."""
PAUSE_SECONDS = 1.0
"""From the death of a supervise to the next: time to remove its entry after svc -x."""
NEVER = float("inf")
_TYPE_MASK = 0o170000
_DIRECTORY = 0o040000
_FIFO = 0o010000


class Half:
    """The supervise of a service, or that of its log. pid 0: none.

    ``again_at``: when a pass that is not a full one may start it.
    """

    __slots__ = ("again_at", "pid", "started_at")

    def __init__(self) -> None:
        self.pid = 0
        self.started_at = 0.0
        self.again_at = 0.0


class Service:
    """One directory: its supervise, and that of its log if it has one (and a pipe).

    ``name`` and ``seen``: under what name it was last listed, and in which pass.
    ``is_ours`` from the first start on. ``in_the_way`` names the foreign supervise that
    was warned about last.
    """

    __slots__ = ("in_the_way", "is_ours", "log", "main", "name", "pipe", "seen")

    def __init__(self, name: bytes, pipe: tuple[int, int] | None) -> None:
        self.name = name
        self.in_the_way = b""
        self.is_ours = False
        self.main = Half()
        self.log = Half()
        self.pipe = pipe
        self.seen = 0

    def close_pipe(self) -> None:
        """Give up svscan's own ends."""
        if self.pipe is not None:
            posix.close(self.pipe[0])
            posix.close(self.pipe[1])
            self.pipe = None


class Scanner:
    """The services of the current directory.

    ``running``: the half of each living supervise, by pid. ``again_at``: when the next
    pass is wanted for the sake of a dead one.
    """

    __slots__ = (
        *("again_at", "clock", "fork", "is_full", "now", "passes", "reap", "running"),
        *("services", "starter", "strerr"),
    )

    def __init__(
        self,
        strerr: Strerr,
        fork: Callable[[Callable[[], int]], int] = child.fork,
        reap: Callable[[], list[tuple[int, int]]] = child.reap,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.strerr = strerr
        self.fork = fork
        self.reap = reap
        self.clock = clock
        self.starter = Starter(strerr)
        self.services: dict[tuple[int, int], Service] = {}
        self.running: dict[int, Half] = {}
        self.again_at = NEVER
        self.passes = 0
        self.is_full = True
        self.now = 0.0

    def bury(self) -> None:
        """Take note of the supervises that have ended."""
        # As process 1 also orphans come this way: reaped, and that is all.
        dead = self.reap()
        now = self.clock()
        for pid, _ in dead:
            half = self.running.pop(pid, None)
            if half is None:
                continue
            half.pid = 0
            # COMPAT: the original looks in its next pass, so do we when a supervise
            # cannot live; any other is replaced a second after its end.
            lived = now - half.started_at
            half.again_at = NEVER if lived < INTERVAL_SECONDS else now + PAUSE_SECONDS
            self.again_at = min(self.again_at, half.again_at)

    def scan(self, is_full: bool = True) -> None:
        """One pass: bury the dead, start what is listed, forget what is gone."""
        self.bury()
        self.now = self.clock()
        self.is_full = is_full
        self.again_at = NEVER
        self.starter.look()
        try:
            names = posix.listdir(b".")
        except OSError as error:
            self.strerr.warn(b"unable to read directory", error=error)
            self._keep_listed()
        else:
            self._start_listed(names)
        self._forget()

    def _start_listed(self, names: list[bytes]) -> None:
        self.passes += 1
        for name in names:
            if name[:1] != b".":
                service = self._service(name)
                if service is not None:
                    service.name = name
                    service.seen = self.passes
                    self._keep_running(service)

    def _keep_listed(self) -> None:
        """Go by what was listed last.

        COMPAT: the original does nothing in a pass in which it cannot read the
        directory; here what has died is started all the same.
        """
        for service in self.services.values():
            if service.seen == self.passes:
                self._keep_running(service)

    def start_log(self, service: Service) -> None:
        """Start the supervise of the log."""
        name, pipe = service.name, service.pipe
        if pipe is not None:
            self._start(
                service.log, name + b"/log", lambda: self.starter.log(name, pipe)
            )

    def _keep_running(self, service: Service) -> None:
        name, pipe = service.name, service.pipe
        if not service.is_ours and self._is_foreign(service):
            return
        service.is_ours = True
        main, log = service.main, service.log
        if (
            not main.pid
            and self._may_start(main)
            and not self._start(main, name, lambda: self.starter.service(name, pipe))
        ):
            # The log waits for its service, as in the original.
            return
        if pipe is not None and not log.pid and self._may_start(log):
            self.start_log(service)

    def _may_start(self, half: Half) -> bool:
        if self.is_full or half.again_at <= self.now:
            return True
        self.again_at = min(self.again_at, half.again_at)
        return False

    def _start(self, half: Half, what: bytes, body: Callable[[], int]) -> bool:
        try:
            half.pid = self.fork(body)
        except OSError as error:
            self.strerr.warn(b"unable to fork for ", what, error=error)
            half.again_at = NEVER
            return False
        half.started_at = self.now
        self.running[half.pid] = half
        return True

    def _is_foreign(self, service: Service) -> bool:
        """True while an earlier svscan's supervise is at the service or at its log.

        COMPAT: the original tries both at every pass, and fails at the lock. With only
        one of the two ended it would start that one, at the end of a new pipe that the
        other one knows nothing of.
        """
        name = service.name
        for directory in (name, name + b"/log") if service.pipe else (name,):
            if _is_supervised(directory):
                if service.in_the_way != directory:
                    service.in_the_way = directory
                    self.strerr.warn(
                        directory, b" is supervised by another svscan's supervise"
                    )
                return True
        return False

    def _service(self, name: bytes) -> Service | None:
        """The service of that name, a new one if need be; None if it is none."""
        try:
            found = posix.stat(name)
        except OSError as error:
            self.strerr.warn(b"unable to stat ", name, error=error)
            return None
        if found.st_mode & _TYPE_MASK != _DIRECTORY:
            return None
        identity = (found.st_dev, found.st_ino)
        service = self.services.get(identity)
        if service is None:
            if not self.is_full and _is_being_filled(name, found.st_mtime):
                return None
            service = self._new_service(name)
            if service is not None:
                self.services[identity] = service
        return service

    def _new_service(self, name: bytes) -> Service | None:
        if len(self.services) >= MAX_SERVICES:
            self.strerr.warn(b"unable to start ", name, b": running too many services")
            return None
        try:
            has_log = len(name) <= MAX_NAME_WITH_LOG and status.exists(name + b"/log")
        except OSError as error:
            self.strerr.warn(b"unable to stat ", name, b"/log", error=error)
            return None
        try:
            return Service(name, pipe_that_spares_one() if has_log else None)
        except OSError as error:
            self.strerr.warn(b"unable to create pipe for ", name, error=error)
            return None

    def _forget(self) -> None:
        gone = [
            identity
            for identity, service in self.services.items()
            if service.seen != self.passes and not (service.main.pid or service.log.pid)
        ]
        for identity in gone:
            self.services.pop(identity).close_pipe()


def _is_being_filled(name: bytes, mtime: float) -> bool:
    """True for a directory, not a link to one, whose entries have just changed.

    Whoever makes a service in place makes its ``run`` and ``log`` after the directory.
    """
    try:
        is_link = posix.lstat(name).st_mode & _TYPE_MASK != _DIRECTORY
    except OSError:
        return True
    return not is_link and time.time() - mtime < INTERVAL_SECONDS


def _is_supervised(directory: bytes) -> bool:
    """True if a supervise is running in the directory, as svok finds out."""
    flags = posix.O_WRONLY | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC
    try:
        fd = posix.open(directory + b"/supervise/ok", flags)
    except OSError:
        return False  # or it will have to complain itself
    try:
        # What is no FIFO could be opened for ever, supervise or not.
        return posix.fstat(fd).st_mode & _TYPE_MASK == _FIFO
    finally:
        posix.close(fd)
