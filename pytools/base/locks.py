"""flock(2) locks: the kind the originals take, so that both exclude each other."""

from __future__ import annotations

import fcntl


def lock_ex(fd: int) -> None:
    """Take the exclusive lock, waiting for it."""
    fcntl.flock(fd, fcntl.LOCK_EX)


def lock_ex_nb(fd: int) -> None:
    """Take the exclusive lock at once, or raise BlockingIOError."""
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def unlock(fd: int) -> None:
    """Release the lock."""
    fcntl.flock(fd, fcntl.LOCK_UN)
