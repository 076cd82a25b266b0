"""Wait for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(
    condition: Callable[[], object], seconds: float = 20.0, what: str = ""
) -> None:
    """Return as soon as ``condition()`` is true; fail the test after ``seconds``.

    A condition on a file that is not there, as in the middle of a rotation, is not true
    yet.
    """
    deadline = time.monotonic() + seconds
    pause = 0.002
    missing: FileNotFoundError | None = None
    while True:
        try:
            if condition():
                return
            missing = None
        except FileNotFoundError as error:
            missing = error
        if time.monotonic() > deadline:
            raise AssertionError(
                f"not within {seconds} s: {what or condition}"
            ) from missing
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
