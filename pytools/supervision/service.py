"""The files by which a supervise and the rest of the world know each other.

Directory    ``down`` (the operator's: do not start), ``run``, and ``supervise/`` (ours,
             mode 0700): ``lock`` held by flock while supervise lives, ``control`` and
             ``ok`` (FIFOs, mode 0600), ``status``. See service-directory(5).
Descriptors  close-on-exec, so that no service holds its supervise's lock.
"""

from __future__ import annotations

import posix

from pytools.base import locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.exits import Exit, Strerr

FLAGS = posix.O_NONBLOCK | posix.O_CLOEXEC


class ServiceFiles:
    """The files of the service whose directory is the current one.

    ``name`` is what the caller calls the directory; it only appears in messages.
    """

    __slots__ = ("control", "name", "strerr")

    def __init__(self, name: bytes, strerr: Strerr) -> None:
        self.name = name
        self.strerr = strerr
        self.control = -1

    def is_wanted_up(self) -> bool:
        """True unless there is a file ``down``."""
        try:
            posix.stat(b"down")
        except FileNotFoundError:
            return True
        except OSError as error:
            raise self._fatal(b"stat", b"/down", error) from None
        return False

    def take(self) -> None:
        """Become the one supervise of this directory and open the control FIFO."""
        _make_directory(b"supervise")
        flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | FLAGS
        try:
            locks.lock_ex_nb(posix.open(b"supervise/lock", flags, 0o600))
        except OSError as error:
            raise self._fatal(b"acquire", b"/supervise/lock", error) from None
        self.control = self._open_fifo(b"control")
        try:
            # Held so that the FIFO never is at end of file.
            posix.open(b"supervise/control", posix.O_WRONLY | FLAGS)
        except OSError as error:
            raise self._fatal(b"write", b"/supervise/control", error) from None

    def show(self) -> None:
        """From now on svok says yes; call when the first status is written."""
        self._open_fifo(b"ok")

    def write_status(self, record: bytes) -> None:
        """Replace supervise/status; what goes wrong is a warning."""
        # DURABILITY: no fsync. The record is about a process of this boot, and the
        # next supervise writes its own before anybody can ask, for svstat looks at
        # ``ok`` first. With one, a busy disk would delay every service's restart.
        doing, what = b"open", b"/supervise/status.new"
        flags = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | FLAGS
        try:
            fd = posix.open(b"supervise/status.new", flags, 0o644)
            doing = b"write"
            try:
                written = posix.write(fd, record)
            finally:
                posix.close(fd)
            if written < len(record):
                self.strerr.warn(
                    b"unable to write ", self.name, what, b": partial write"
                )
                return
            doing, what = b"rename", b"/supervise/status.new to status"
            posix.rename(b"supervise/status.new", b"supervise/status")
        except OSError as error:
            self.strerr.warn(b"unable to ", doing, b" ", self.name, what, error=error)

    def _open_fifo(self, name: bytes) -> int:
        path = b"supervise/" + name
        try:
            posix.mkfifo(path, 0o600)
        except OSError:
            # Mostly there already; anything else the open will tell.
            pass
        try:
            return posix.open(path, posix.O_RDONLY | FLAGS)
        except OSError as error:
            raise self._fatal(b"read", b"/" + path, error) from None

    def _fatal(self, verb: bytes, what: bytes, error: OSError) -> Exit:
        return self.strerr.fatal(
            b"unable to ", verb, b" ", self.name, what, error=error
        )


def _make_directory(path: bytes) -> None:
    """Make ``path``, or what it points to, if it is not there; never fails itself."""
    try:
        posix.mkdir(path, 0o700)
    except OSError:
        # COMPAT: on Debian ``supervise`` may be a symbolic link into /run, dangling
        # after each boot, and Debian's supervise makes the target; so does this.
        try:
            posix.mkdir(posix.readlink(path), 0o700)
        except OSError:
            pass
