"""The next program of a chain: find it, and become it as exec would.

Ours         a file is our own program when this uid may execute it and its bytes are
             the launcher that this runtime writes (launcher.py). Then its main runs in
             this process. Everything else is exec'ed.
Same         what exec does to descriptors, signals and the environment is done here by
             hand; tests/process/test_ways.py compares both ways for every program.
"""

from __future__ import annotations

import errno
import fcntl
import posix
import sys

from pytools.base import environment, runtime, signals
from pytools.base.environment import environ
from pytools.process import launcher, title
from pytools.process.programs import LONG_LIVED, module_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXEC_ALWAYS = b"PYQMAIL_EXEC"
"""Set to anything: every program is started by exec, for strace and debuggers."""

DEFAULT_PATH = b"/bin:/usr/bin"
SHELL = b"/bin/sh"
_LAUNCHER_SIZE = 4096
_DESCRIPTORS = 65536


def candidates(name: bytes) -> Iterator[bytes]:
    """The files that ``name`` may mean, in the order of $PATH."""
    if b"/" in name:
        yield name
        return
    for directory in environ.get(b"PATH", DEFAULT_PATH).split(b":"):
        yield (directory or b".") + b"/" + name


def is_ours(path: bytes) -> tuple[bytes, bytes] | None:
    """(program, home) if the file is our launcher and may be executed, else None.

    OSError if the file cannot be opened at all for another reason than permission.
    """
    # To open a FIFO or a device could do something to it; neither is ever ours.
    if not _is_file(path):
        return None
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
    except PermissionError:
        return None
    try:
        text = posix.read(fd, _LAUNCHER_SIZE)
    except OSError:
        return None
    finally:
        posix.close(fd)
    if len(text) == _LAUNCHER_SIZE or not text.startswith(b"#!"):
        return None
    found = launcher.parse(text)
    if found is None or module_of(found[0]) is None:
        return None
    return found if posix.access(path, posix.X_OK, effective_ids=True) else None


def _is_file(path: bytes) -> bool:
    return posix.stat(path).st_mode & 0o170000 == 0o100000


def load(program: bytes) -> Callable[[list[bytes]], int]:
    """The main of one of our programs, imported if it is not yet."""
    name = module_of(program)
    if name is None:
        raise OSError(errno.ENOENT, "no such program")
    if name not in sys.modules:
        __import__(name)
    main: Callable[[list[bytes]], int] = sys.modules[name].main
    return main


def resolve(name: bytes) -> tuple[bytes, tuple[bytes, bytes] | None]:
    """(file, (program, home) or None) that ``name`` would start. OSError if none."""
    for path in candidates(name):
        try:
            ours = is_ours(path)
            if ours is not None or (
                posix.access(path, posix.X_OK, effective_ids=True) and _is_file(path)
            ):
                return path, ours
        except OSError:
            continue
    raise OSError(errno.ENOENT, "no such program")


def preload(argv: list[bytes]) -> bool:
    """Import what the chain that starts with ``argv`` will need; True if it is ours.

    For warm parents before their first fork, and for softlimit, after which nothing can
    be imported. A chain-loading program tells what it will start by ``next_program``.
    With $PYQMAIL_EXEC too: then it shows softlimit how big a fresh interpreter gets.
    """
    first = True
    while argv:
        try:
            _, ours = resolve(argv[0])
        except OSError:
            return not first
        if ours is None:
            return not first
        load(ours[0])
        first = False
        name = module_of(ours[0]) or ""
        following = getattr(sys.modules[name], "next_program", None)
        argv = (following(argv) if following is not None else None) or []
    return not first


def is_reusable(argv: list[bytes]) -> bool:
    """True if all of the chain that starts with ``argv`` is ours and ``REUSABLE``.

    For warm parents, after ``preload``. REUSABLE is a promise of a program's module: it
    changes nothing of the process but descriptors that it opens itself, environment,
    working directory, umask, alarm and dispositions of signals, and keeps no state.
    """
    if EXEC_ALWAYS in environ:
        return False
    while argv:
        try:
            _, ours = resolve(argv[0])
        except OSError:
            return False
        module = sys.modules.get(module_of(ours[0]) or "") if ours else None
        if not getattr(module, "REUSABLE", False):
            return False
        following = getattr(module, "next_program", None)
        argv = (following(argv) if following is not None else None) or []
    return True


def enter(
    argv: list[bytes],
    env: dict[bytes, bytes] | None,
    path: bytes | None,
    must_exec: bool = False,
    execvp: bool = False,
) -> tuple[bytes, bytes, bytes]:
    """Become the program: exec a foreign one, or make this process ready for ours.

    Returns (program, home, path) of ours, whose main the caller then runs. OSError when
    nothing could be started; then nothing has changed.
    """
    fresh = environ if env is None else env
    if b"" in fresh:
        # Python can hand on no entry without a name; an exec with one would fail.
        fresh = environment.edited(fresh, {b"": None})
    must_exec = must_exec or EXEC_ALWAYS in fresh or EXEC_ALWAYS in environ
    trouble = OSError(errno.ENOENT, "no such program")
    for candidate in [path] if path is not None else candidates(argv[0]):
        try:
            ours = None if must_exec else _ours_now(candidate)
            if ours is not None:
                program, home, inherited = ours
                if program in LONG_LIVED:
                    title.load()
                as_exec(fresh, inherited)
                return program, home, candidate
            _exec(candidate, argv, fresh, execvp)
        except OSError as error:
            if error.errno == errno.ENOENT:
                continue
            trouble = error
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EISDIR):
                break
        except ValueError:
            # Words and names that exec cannot take, such as an empty argv[0].
            trouble = OSError(errno.EACCES if not argv[0] else errno.EINVAL, "exec")
            break
    raise trouble


def _exec(
    path: bytes, argv: list[bytes], env: dict[bytes, bytes], execvp: bool
) -> None:
    """Exec the file; with ``execvp`` a text without ``#!`` is a script of SHELL."""
    try:
        posix.execve(path, argv, env)
    except OSError as error:
        if error.errno != errno.ENOEXEC or not execvp:
            raise
        posix.execve(SHELL, [SHELL, path, *argv[1:]], env)


def _ours_now(path: bytes) -> tuple[bytes, bytes, list[int]] | None:
    """(program, home, open descriptors) when the file can be run without exec.

    Whatever hinders that (no such file, no descriptor free, no /proc), exec knows best.
    """
    try:
        ours = is_ours(path)
        return None if ours is None else (*ours, _listed_descriptors())
    except OSError:
        return None


def as_exec(env: dict[bytes, bytes], descriptors: list[int]) -> None:
    """Do to this process what the kernel does at exec."""
    signals.default_caught()
    close_on_exec(descriptors, runtime.kept)
    if env is not environ:
        environment.replace(env)
    random = sys.modules.get("random")
    if random is not None:
        random.seed()


def close_on_exec(descriptors: list[int], kept: frozenset[int]) -> list[int]:
    """Close those that exec would close, save ``kept``; those that stay open."""
    left = []
    for fd in descriptors:
        try:
            if fd not in kept and fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC:
                posix.close(fd)
            else:
                left.append(fd)
        except OSError:
            pass
    return left


def give_up_kept() -> None:
    """Close what the process kept for itself: it has become its program's alone."""
    for fd in runtime.kept:
        posix.close(fd)
    runtime.kept = frozenset()


def open_descriptors() -> list[int]:
    """The numbers of the open descriptors (and of the one this look took).

    Without /proc all that there may be, of those that a limit of today allows.
    """
    try:
        return _listed_descriptors()
    except OSError:
        return list(range(min(posix.sysconf("SC_OPEN_MAX"), _DESCRIPTORS)))


def _listed_descriptors() -> list[int]:
    return [int(name) for name in posix.listdir("/proc/self/fd")]
