"""The orderly end of svscan: every service down, then every log, then nothing is left.

Service      ``dx`` to its supervise; after the time it is given, ``k``.
Log          when its service's supervise has ended: ``x``, and svscan's own ends of the
             pipe are closed. So the logger reads what is in the pipe, finds the end of
             file, ends, and its supervise with it. Only one that does not is killed.
Orphans      process 1 also has children of other parents, services that went into the
             background say, which may hold a pipe: TERM when the services are down,
             later KILL.
Supervises   are reached by /proc/PID/cwd, whatever became of their entries, and whoever
             wrote them.
"""

from __future__ import annotations

import errno
import posix

from pytools.base import fds, signals
from pytools.supervision import control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytools.supervision.scanner import Half, Scanner, Service

LOG_SECONDS = 2.0
"""What logs get to empty their pipes after the last service has ended."""
LAST_SECONDS = 0.5
"""From the last KILL to the end, and for orphans of what was killed."""
TICK_SECONDS = 0.1


class Shutdown:
    """Takes down what ``scanner`` started.

    ``wait(seconds)`` returns early when a child has ended. ``own``: children that are
    no orphans, None if this process adopts none.
    """

    __slots__ = (
        *("_kill_at", "_orphans_until", "_own", "_scanner", "_told", "_wait"),
        "_warned",
    )

    def __init__(
        self,
        scanner: Scanner,
        wait: Callable[[float], object],
        seconds: float,
        own: frozenset[int] | None,
    ) -> None:
        self._scanner = scanner
        self._wait = wait
        self._own = own
        self._kill_at = scanner.clock() + seconds
        self._orphans_until = 0.0
        self._told: set[tuple[int, bytes]] = set()
        self._warned: set[int] = set()

    def run(self) -> bool:
        """True if everything has ended, False if time ran out."""
        scanner = self._scanner
        scanner.bury()
        for service in scanner.services.values():
            if service.pipe is not None and service.is_ours and not service.log.pid:
                # It has just died, and there may be something in the pipe.
                scanner.starter.look()
                scanner.start_log(service)
        # When the logs have had their time, if the last writer ends at the last moment.
        logs_until = self._kill_at + LAST_SECONDS + LOG_SECONDS
        have_writers = True
        give_up_at = 0.0
        while True:
            now = scanner.clock()
            if self._services_are_down(now) and self._orphans_are_gone(now):
                if not scanner.running:
                    return True
                if have_writers:
                    have_writers = False
                    logs_until = max(now + LOG_SECONDS, self._kill_at)
            if give_up_at:
                if now >= give_up_at:
                    return False
            elif now >= logs_until:
                self._kill_logs()
                give_up_at = now + LAST_SECONDS
            self._wait(TICK_SECONDS)
            scanner.bury()

    def _services_are_down(self, now: float) -> bool:
        are_down = True
        for service in self._scanner.services.values():
            if service.main.pid:
                are_down = False
                self._tell(service, service.main, b"", b"dx")
                if now >= self._kill_at:
                    self._tell(service, service.main, b"", b"k")
            elif not service.log.pid or self._tell(
                service, service.log, b"/log", b"cx"
            ):
                service.close_pipe()
        return are_down

    def _kill_logs(self) -> None:
        for service in self._scanner.services.values():
            if service.log.pid:
                self._tell(service, service.log, b"/log", b"dxk")

    def _tell(
        self, service: Service, half: Half, where: bytes, commands: bytes
    ) -> bool:
        """Send the commands, once; True when they have been sent."""
        if (half.pid, commands) in self._told:
            return True
        for directory in (b"/proc/%d/cwd" % half.pid, service.name + where):
            try:
                # Nothing has to be waited for: there is room in every FIFO for these.
                fd = control.open_control(directory)
            except OSError as error:
                self._note(half.pid, service.name + where, error)
                continue  # a supervise that has only just begun, or no /proc
            try:
                posix.write(fd, commands)
            except OSError:
                continue
            finally:
                posix.close(fd)
            self._told.add((half.pid, commands))
            return True
        return False

    def _note(self, pid: int, what: bytes, error: OSError) -> None:
        """Warn, once, of a supervise that is not told for lack of descriptors."""
        # Pipes leave one free: the limit was lowered, or the system's is reached.
        if error.errno in (errno.EMFILE, errno.ENFILE) and pid not in self._warned:
            self._warned.add(pid)
            self._scanner.strerr.warn(b"unable to reach supervise ", what, error=error)

    def _orphans_are_gone(self, now: float) -> bool:
        """Signal adopted children; True if there are none."""
        if self._own is None:
            return True
        are_gone = True
        if not self._orphans_until:
            self._orphans_until = max(self._kill_at, now + LAST_SECONDS)
        for pid in children():
            if pid not in self._own and pid not in self._scanner.running:
                are_gone = False
                self._signal(pid, signals.SIGTERM)
                self._signal(pid, signals.SIGCONT)
                if now >= self._orphans_until:
                    self._signal(pid, signals.SIGKILL)
        return are_gone

    def _signal(self, pid: int, number: int) -> None:
        if (pid, b"%d" % number) not in self._told:
            self._told.add((pid, b"%d" % number))
            try:
                posix.kill(pid, number)
            except OSError:
                # It is another user's, or gone; the time for it is limited.
                pass


def children() -> Iterator[int]:
    """The pids of this process's children; none where /proc does not tell."""
    try:
        found = fds.read_file(b"/proc/self/task/%d/children" % posix.getpid())
    except OSError:
        return
    yield from map(int, found.split())
