"""The files by which a supervise and the rest of the world know each other.

Directory    the operator's: ``down`` (do not start), ``run``, ``finish``,
             ``timeout-finish``, ``notification-fd``; and ``supervise/`` (ours, mode
             0700): ``lock`` held by flock while supervise lives, ``control`` and ``ok``
             (FIFOs, mode 0600), ``status``, ``last``. See service-directory(5).
Descriptors  close-on-exec, so that no service holds its supervise's lock.
"""

from __future__ import annotations

import posix

from pytools.base import locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.base.exits import Exit, Strerr

FLAGS = posix.O_NONBLOCK | posix.O_CLOEXEC
FINISH_MILLISECONDS = 5000
_TYPE_MASK = 0o170000
_REGULAR = 0o100000


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

    def forget_last(self) -> None:
        """Remove the supervise/last of an earlier supervise."""
        try:
            posix.unlink(b"supervise/last")
        except OSError:
            # Mostly there is none; one that stays is too old to be taken for ours.
            pass

    def write_status(self, record: bytes) -> None:
        """Replace supervise/status; what goes wrong is a warning."""
        # DURABILITY: no fsync. The record is about a process of this boot, and the
        # next supervise writes its own before anybody can ask, for svstat looks at
        # ``ok`` first. With one, a busy disk would delay every service's restart.
        self._replace(b"status", record)

    def write_last(self, record: bytes) -> None:
        """Replace supervise/last; what goes wrong is a warning."""
        self._replace(b"last", record)

    def _replace(self, name: bytes, record: bytes) -> None:
        path = b"supervise/" + name
        doing, what = b"open", b"/" + path + b".new"
        flags = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | FLAGS
        try:
            fd = posix.open(path + b".new", flags, 0o644)
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
            doing, what = b"rename", what + b" to " + name
            posix.rename(path + b".new", path)
        except OSError as error:
            self.strerr.warn(b"unable to ", doing, b" ", self.name, what, error=error)

    def has_finish(self) -> bool:
        """True if there is a ./finish to run."""
        # COMPAT: the original knows no finish, timeout-finish or notification-fd. The
        # names are those of runit and s6, so their services bring them along.
        try:
            mode = posix.stat(b"finish").st_mode
        except OSError:
            return False
        return mode & _TYPE_MASK == _REGULAR and bool(mode & 0o111)

    def finish_limit(self) -> int:
        """Milliseconds that ./finish may take; 0 for any time."""
        limit = self._number(b"timeout-finish")
        return FINISH_MILLISECONDS if limit is None else limit

    def notification_number(self) -> int | None:
        """The descriptor on which the service says that it is ready, if it does."""
        number = self._number(b"notification-fd")
        if number is not None and number >= posix.sysconf("SC_OPEN_MAX"):
            self.strerr.warn(
                self.name,
                b"/notification-fd",
                b" is more than there can be descriptors, so it is ignored",
            )
            return None
        return number

    def _number(self, name: bytes) -> int | None:
        """The number in a file; None if there is no such file, or a warning."""
        try:
            fd = posix.open(name, posix.O_RDONLY | FLAGS)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.strerr.warn(b"unable to open ", self.name, b"/", name, error=error)
            return None
        try:
            digits = posix.read(fd, 32).strip()
        except OSError as error:
            self.strerr.warn(b"unable to read ", self.name, b"/", name, error=error)
            return None
        finally:
            posix.close(fd)
        # Longer ones have no meaning as descriptors, nor as milliseconds.
        if digits.isdigit() and len(digits) < 10:
            return int(digits)
        self.strerr.warn(self.name, b"/", name, b" is not a number, so it is ignored")
        return None

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
