"""How a child of svscan becomes a supervise.

Ours         no exec: the parent has looked the program up, once a pass; the child closes
             what exec would close and calls its main.
Foreign      ``Next``, that is exec. So it is with $PYQMAIL_EXEC.
PERF         a child copies each page that it writes to, and to use an object is to write
             its reference count. So the look-up is the parent's, and the descriptors are
             closed in ranges, not one by one: 0.1 MB less a supervise.
"""

from __future__ import annotations

import posix

from pytools.base import fds
from pytools.base.environment import environ
from pytools.base.exits import Exit, Next
from pytools.process import chain
from pytools.process.runner import call_main
from pytools.supervision.descriptors import SoftLimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.exits import Strerr

SUPERVISE = b"supervise"
_DESCRIPTORS = 65536
"""More than there can be: two a service, and those that were inherited."""


class Starter:
    """The look-up, and what its children do with it.

    ``inherited``: the descriptors that were open at the start, and stay open in every
    supervise. All that svscan opens itself is close-on-exec. ``limit``: the children
    get back what svscan found.
    """

    __slots__ = ("file", "home", "inherited", "limit", "strerr")

    def __init__(self, strerr: Strerr) -> None:
        self.strerr = strerr
        self.file = b""
        self.home = b""
        self.limit = SoftLimit()
        self.inherited = [fd for fd in chain.open_descriptors() if _is_inherited(fd)]

    def look(self) -> None:
        """In the parent, before the forks of a pass: whose supervise is it?"""
        self.file = b""
        if chain.EXEC_ALWAYS in environ:
            return
        try:
            file, ours = chain.resolve(SUPERVISE)
        except OSError:
            return  # the child will say so
        if ours is not None and ours[0] == SUPERVISE:
            self.file, self.home = file, ours[1]

    def service(self, name: bytes, pipe: tuple[int, int] | None) -> int:
        """In a child: the supervise of ``name``, writing to the pipe."""
        if pipe is None:
            return self._become(name, name, self.inherited)
        self._descriptor(pipe[1], 1, name)
        return self._become(name, name, [*self.inherited, 1])

    def log(self, name: bytes, pipe: tuple[int, int]) -> int:
        """In a child: the supervise of ``name``'s log, reading from the pipe."""
        what = name + b"/log"
        self._descriptor(pipe[0], 0, what)
        try:
            posix.chdir(name)
        except OSError as error:
            raise self._failed(b"switch to ", name, error) from None
        return self._become(b"log", what, [*self.inherited, 0])

    def _become(self, directory: bytes, what: bytes, stay: list[int]) -> int:
        # First: what is to be opened next needs a number below the limit.
        _close_all_but(stay)
        self.limit.restore()
        if self.file:
            return call_main(SUPERVISE, self.home, [self.file, directory])

        def cannot(error: OSError) -> Exit:
            return self._failed(b"start supervise ", what, error)

        raise Next([SUPERVISE, directory], on_error=cannot)

    def _descriptor(self, source: int, number: int, what: bytes) -> None:
        try:
            fds.move(source, number)
        except OSError as error:
            raise self._failed(b"set up descriptors for ", what, error) from None

    def _failed(self, doing: bytes, what: bytes, error: OSError) -> Exit:
        self.strerr.warn(b"unable to ", doing, what, error=error)
        return Exit(111)


def _is_inherited(fd: int) -> bool:
    try:
        return posix.get_inheritable(fd)
    except OSError:
        return False


def _close_all_but(stay: list[int]) -> None:
    first = 0
    for fd in sorted([*stay, _DESCRIPTORS]):
        # closerange(0, 0) would close everything: to the kernel, up to -1 is up to all.
        if first < fd:
            posix.closerange(first, fd)
        first = fd + 1
