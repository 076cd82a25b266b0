"""What wakes svscan before its next pass is due: a signal, as a byte in a pipe.

Directory    the kernel sends SIGIO when an entry is made, removed or renamed in a
             directory (fcntl F_NOTIFY, "dnotify"). inotify tells more, but none of what
             it tells more is of use here, and Python reaches it only by ctypes, which
             every supervise would have in its memory.
Safety net   a file system that tells nothing, a kernel without dnotify, SIGIO blocked:
             then there are the passes, as in the original.
"""

from __future__ import annotations

import fcntl
import posix

SIGIO = 29
SIGPWR = 30

_CHANGES = fcntl.DN_CREATE | fcntl.DN_DELETE | fcntl.DN_RENAME | fcntl.DN_MULTISHOT


def watch(directory: bytes = b".") -> bool:
    """Have SIGIO sent, from now on, for each change of the directory's entries.

    SIGIO must be caught already: its default action is death. The descriptor that the
    watch hangs on stays open for as long as the process lives. False: no such watch.
    """
    flags = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC
    try:
        fd = posix.open(directory, flags)
    except OSError:
        return False
    try:
        fcntl.fcntl(fd, fcntl.F_NOTIFY, _CHANGES)
    except OSError:
        posix.close(fd)
        return False
    return True
