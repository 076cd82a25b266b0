"""What ``ps`` and ``pgrep`` show of a process.

A program that was exec'ed from a launcher has the right ``comm`` from the kernel; one
that runs in a fork, or after another in a chain, gets it here. The command line is
rewritten by setproctitle, whose C half is loaded without its package: that imports
``logging`` (33 ms against 10).
"""

from __future__ import annotations

import _imp
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_NAME = "setproctitle._setproctitle"


def announce(program: bytes, argv: list[bytes], stays: bool) -> None:
    """Show this process as ``program`` with its arguments.

    The full command line only where setproctitle is loaded or ``stays`` is true.
    """
    if stays:
        load()
    module = sys.modules.get(_NAME)
    if module is None:
        _set_comm(program)
        return
    shown = b" ".join((program, *argv[1:]))
    set_title: Callable[[str], None] = module.setproctitle
    set_title(shown.replace(b"\0", b" ").decode("utf-8", "replace"))
    # After a change of uid without exec /proc/self belongs to root; this still works.
    set_comm: Callable[[str], None] = module.setthreadtitle
    set_comm(program.decode("utf-8", "replace"))


def _set_comm(program: bytes) -> None:
    import posix

    try:
        fd = posix.open("/proc/self/comm", posix.O_WRONLY | posix.O_CLOEXEC)
    except OSError:
        # After a change of uid without exec the kernel keeps /proc/self for root.
        return
    try:
        posix.write(fd, program[:15])
    except OSError:
        pass
    finally:
        posix.close(fd)


def load() -> None:
    """Load setproctitle's C half, if it is installed; once in a process."""
    if _NAME in sys.modules:
        return
    for entry in sys.path:
        directory = entry + "/setproctitle"
        for suffix in _imp.extension_suffixes():
            path = f"{directory}/_setproctitle{suffix}"
            spec = _Spec(_NAME, path)
            try:
                module = _imp.create_dynamic(spec)  # type: ignore[arg-type]
            except ImportError:
                continue
            _imp.exec_dynamic(module)
            sys.modules[_NAME] = module
            # It finds the memory of the command line at its first call, and only while
            # the environment lies where the kernel put it.
            try:
                module.getproctitle()
            except UnicodeDecodeError:
                # Words that are no UTF-8; it has found them all the same.
                pass
            return


class _Spec:
    """As much of a module spec as ``_imp`` reads."""

    def __init__(self, name: str, origin: str) -> None:
        self.name = name
        self.origin = origin
