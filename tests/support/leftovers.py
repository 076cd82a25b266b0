"""What a test must not leave behind in the process that runs the tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.until import until


def children() -> set[str]:
    """The pids of our children, zombies too; other tests' servers may be among them."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def descriptors() -> set[str]:
    """The numbers of our open descriptors."""
    return set(os.listdir("/proc/self/fd"))


@contextmanager
def nothing_left_over() -> Iterator[None]:
    """No child and no descriptor more after than before."""
    before = children(), descriptors()
    yield
    until(lambda: children() <= before[0], what="the end of every child")
    assert descriptors() == before[1]
