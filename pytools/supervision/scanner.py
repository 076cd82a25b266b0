"""svscan's passes: which supervise processes there should be, and starting those.

Identity     a service is its directory's (device, inode), whatever names lead there.
Pipe         between a service and its log, made once, kept until both supervises are
             dead and the entry is gone: what is in it survives any restart.
Leftovers    of an earlier svscan are left alone (svscanboot -k), and waited for.
Promise      never stops a service; a failure is a warning, the next pass tries again.
"""

from __future__ import annotations

import posix

from pytools.base import fds
from pytools.base.exits import Exit, Next
from pytools.process import child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from pytools.base.exits import Strerr

MAX_SERVICES = 1000
MAX_NAME_WITH_LOG = 255
_TYPE_MASK = 0o170000
_DIRECTORY = 0o040000
_FIFO = 0o010000


class Service:
    """One directory: its supervise, and that of its log if it has one. pid 0: none.

    ``is_ours`` from the first start on. ``in_the_way`` names the foreign supervise that
    was warned about last.
    """

    __slots__ = ("in_the_way", "is_listed", "is_ours", "log_pid", "pid", "pipe")

    def __init__(self, pipe: tuple[int, int] | None) -> None:
        self.in_the_way = b""
        self.is_ours = False
        self.pid = 0
        self.log_pid = 0
        self.pipe = pipe
        self.is_listed = True


class Scanner:
    """The services of the current directory."""

    __slots__ = ("fork", "reap", "services", "strerr")

    def __init__(
        self,
        strerr: Strerr,
        fork: Callable[[Callable[[], int]], int] = child.fork,
        reap: Callable[[], list[tuple[int, int]]] = child.reap,
    ) -> None:
        self.strerr = strerr
        self.fork = fork
        self.reap = reap
        self.services: dict[tuple[int, int], Service] = {}

    def scan(self) -> None:
        """One pass: bury the dead, start what is listed, forget what is gone."""
        self._bury()
        try:
            names = posix.listdir(b".")
        except OSError as error:
            self.strerr.warn(b"unable to read directory", error=error)
            return
        for service in self.services.values():
            service.is_listed = False
        for name in names:
            if not name.startswith(b"."):
                self._keep_running(name)
        self._forget()

    def _bury(self) -> None:
        # As process 1 also orphans come this way: reaped, and that is all.
        dead = {pid for pid, _ in self.reap()}
        if not dead:
            return
        for service in self.services.values():
            if service.pid in dead:
                service.pid = 0
            if service.log_pid in dead:
                service.log_pid = 0

    def _keep_running(self, name: bytes) -> None:
        service = self._service(name)
        if service is None:
            return
        service.is_listed = True
        if not service.is_ours and self._is_foreign(service, name):
            return
        service.is_ours = True
        pipe = service.pipe
        try:
            if not service.pid:
                service.pid = self.fork(lambda: self._become_supervise(name, pipe))
        except OSError as error:
            self.strerr.warn(b"unable to fork for ", name, error=error)
            return
        if pipe is None or service.log_pid:
            return
        try:
            service.log_pid = self.fork(lambda: self._become_log(name, pipe))
        except OSError as error:
            self.strerr.warn(b"unable to fork for ", name, b"/log", error=error)

    def _is_foreign(self, service: Service, name: bytes) -> bool:
        """True while an earlier svscan's supervise is at the service or at its log.

        COMPAT: the original tries both at every pass, and fails at the lock. With only
        one of the two ended it would start that one, at the end of a new pipe that the
        other one knows nothing of.
        """
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
        what = name
        try:
            found = posix.stat(name)
            if found.st_mode & _TYPE_MASK != _DIRECTORY:
                return None
            identity = (found.st_dev, found.st_ino)
            known = self.services.get(identity)
            if known is not None:
                return known
            if len(self.services) >= MAX_SERVICES:
                self.strerr.warn(
                    b"unable to start ", name, b": running too many services"
                )
                return None
            what = name + b"/log"
            has_log = len(name) <= MAX_NAME_WITH_LOG and _exists(what)
        except OSError as error:
            self.strerr.warn(b"unable to stat ", what, error=error)
            return None
        try:
            service = Service(fds.pipe() if has_log else None)
        except OSError as error:
            self.strerr.warn(b"unable to create pipe for ", name, error=error)
            return None
        self.services[identity] = service
        return service

    def _forget(self) -> None:
        gone = [
            identity
            for identity, service in self.services.items()
            if not (service.is_listed or service.pid or service.log_pid)
        ]
        for identity in gone:
            pipe = self.services.pop(identity).pipe
            if pipe is not None:
                posix.close(pipe[0])
                posix.close(pipe[1])

    # In the children.

    def _become_supervise(self, name: bytes, pipe: tuple[int, int] | None) -> NoReturn:
        if pipe is not None:
            self._descriptor(pipe[1], 1, name)
        self._become(name, name)

    def _become_log(self, name: bytes, pipe: tuple[int, int]) -> NoReturn:
        what = name + b"/log"
        self._descriptor(pipe[0], 0, what)
        try:
            posix.chdir(name)
        except OSError as error:
            raise self._failed(b"switch to ", name, error) from None
        self._become(b"log", what)

    def _become(self, directory: bytes, what: bytes) -> NoReturn:
        def cannot(error: OSError) -> Exit:
            return self._failed(b"start supervise ", what, error)

        raise Next([b"supervise", directory], on_error=cannot)

    def _descriptor(self, source: int, number: int, what: bytes) -> None:
        try:
            fds.move(source, number)
        except OSError as error:
            raise self._failed(b"set up descriptors for ", what, error) from None

    def _failed(self, doing: bytes, what: bytes, error: OSError) -> Exit:
        self.strerr.warn(b"unable to ", doing, what, error=error)
        return Exit(111)


def _exists(path: bytes) -> bool:
    try:
        posix.stat(path)
    except FileNotFoundError:
        return False
    return True


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
