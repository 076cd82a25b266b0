"""Wait for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def until(
    condition: Callable[[], object], seconds: float = 40.0, what: str = ""
) -> None:
    """Return as soon as ``condition()`` is true; fail the test after ``seconds``.

    A condition on a file that is not there, as in the middle of a rotation, or on a
    process that has just gone, is not true yet.
    """
    deadline = time.monotonic() + seconds
    pause = 0.002
    missing: OSError | None = None
    while True:
        # Taken before the look: however long we were stopped, there is a last one.
        late = time.monotonic() > deadline
        try:
            if condition():
                return
            missing = None
        except (FileNotFoundError, ProcessLookupError) as error:
            missing = error
        if late:
            raise AssertionError(
                f"not within {seconds} s: {what or condition}"
            ) from missing
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def until_executed(pid: int) -> None:
    """Return when /proc shows the words that a process executes.

    That is a little after exec has closed its descriptors, which Popen waits for.
    """
    until(Path(f"/proc/{pid}/cmdline").read_bytes, what=f"the words of {pid}")
