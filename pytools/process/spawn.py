"""Start a foreign program without a copy of this process: vfork and exec.

For a warm parent that has nothing to do in the child but the exec. child.fork is for
all else, and for what fails here.
"""

from __future__ import annotations

import posix
from _posixsubprocess import fork_exec

from pytools.base import fds
from pytools.process import child


def spawn(
    path: bytes, argv: list[bytes], env: dict[bytes, bytes], fd: int
) -> int | None:
    """The pid of a foreign program with ``fd`` as descriptors 0 and 1, started by exec.

    None if it did not start; then ``fork`` will tell why. Nothing of the parent is
    copied, and the parent waits until the program is there. By what the standard
    library's subprocess is made of: posix_spawn would do, but that glibc leaves two
    signals (32 and 33) ignored in the program.
    """
    try:
        told, tells = fds.pipe()
    except OSError:
        return None
    try:
        if min(fd, told, tells) <= 2:
            return None
        pid = fork_exec(
            argv,
            (path,),
            False,  # close_fds: all others are close-on-exec
            (),
            None,  # type: ignore[arg-type]  # the stub knows no "stay here"
            [b"%b=%b" % item for item in env.items()],
            fd,  # becomes 0
            -1,
            -1,
            fd,  # becomes 1
            -1,
            -1,
            told,
            tells,
            True,  # restore_signals: PIPE, which this process ignores
            False,
            -1,
            None,
            None,
            None,
            -1,
            None,  # type: ignore[arg-type]  # nor "nothing to call"
            True,  # allow_vfork
        )
        posix.close(tells)
        tells = -1
        if not posix.read(told, 1):
            return pid
        # It has said why it could not, and ended.
        child.wait_for(pid)
        return None
    except (OSError, ValueError, TypeError):
        # TypeError: another Python may want other arguments.
        return None
    finally:
        posix.close(told)
        if tells >= 0:
            posix.close(tells)
