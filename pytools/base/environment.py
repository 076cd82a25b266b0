"""The environment: bytes, and the process's own."""

from __future__ import annotations

import posix
import time

environ: dict[bytes, bytes] = posix.environ
"""The environment of this process; edit it in place. ``Next`` hands it on."""


def edited(
    env: dict[bytes, bytes], changes: dict[bytes, bytes | None]
) -> dict[bytes, bytes]:
    """A copy of ``env`` with ``changes``; a value of None unsets the name."""
    result = dict(env)
    for name, value in changes.items():
        # An original re-adds a changed variable at the end; so does this.
        result.pop(name, None)
        if value is not None:
            result[name] = value
    return result


def replace(env: dict[bytes, bytes]) -> None:
    """Make ``env`` the whole environment, for Python and for the C library.

    The library takes no name with ``=`` in front; such an entry is only handed on.
    """
    fresh = dict(env)
    zone = environ.get(b"TZ")
    for name in list(environ):
        if name and name[:1] != b"=" and name not in fresh:
            posix.unsetenv(name)
    for name, value in fresh.items():
        if environ.get(name) != value and name and name[:1] != b"=":
            posix.putenv(name, value)
    environ.clear()
    environ.update(fresh)
    if environ.get(b"TZ") != zone:
        time.tzset()
