"""Whether an interpreter may be installed from.

Can every user execute it, and can nobody but us (root, mostly) change it? Root tries
the first, too: a library of the interpreter's may lie where he alone can read.

Run as a script it checks the interpreter it is run by, and exits 0 or 1 with the reason
on descriptor 2. It imports nothing of ours, so that any Python can be asked.
"""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys

START_SECONDS = 20.0
NOBODY = 65534
"""Where no user has the name nobody; overflowuid in proc(5)."""


def versioned(executable: str) -> str:
    """The path that names the minor version too, where there is one beside it.

    A launcher that says ``python3`` would start another Python after an upgrade of the
    system, with the libraries of this one.
    """
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    beside = os.path.join(os.path.dirname(executable), name)
    return beside if os.path.exists(beside) else os.path.realpath(executable)


def hidden_by(path: str) -> str | None:
    """The first directory or file on the way to ``path`` that others cannot use."""
    for place in (path, os.path.realpath(path)):
        parts = place.split("/")
        for depth in range(1, len(parts) + 1):
            part = "/".join(parts[:depth]) or "/"
            mode = os.stat(part).st_mode
            wanted = stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH | stat.S_IXOTH
            if mode & wanted != wanted:
                return part
    return None


def changeable_at(path: str) -> str | None:
    """The first directory or file on the way to ``path`` that a stranger may change.

    SECURITY: root's daemons will run what lies there. ``su`` keeps the PATH of the user
    who called it, so the first python3 may be one of his own making.
    """
    for place in (path, os.path.realpath(path)):
        parts = place.split("/")
        for depth in range(1, len(parts) + 1):
            part = "/".join(parts[:depth]) or "/"
            now = os.stat(part)
            shared = now.st_mode & stat.S_IWOTH and not now.st_mode & stat.S_ISVTX
            if now.st_uid not in (0, os.geteuid()) or shared:
                return part
    return None


def refusal(
    python: str, script: str = "pass", user: int | None = None, group: int | None = None
) -> str | None:
    """What an interpreter says that cannot run a script, or None.

    As the daemons start it: isolated, with no environment. None, too, where this process
    may not become that user.
    """
    try:
        done = subprocess.run(
            [python, "-ISB", "-c", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            cwd="/",
            env={},
            timeout=START_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"nothing within {START_SECONDS:.0f} s"
    except OSError as error:
        if user is not None and error.filename != python:
            return None
        return (error.strerror or str(error)).lower()
    if done.returncode == 0:
        return None
    lines = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"


def nobody() -> tuple[int, int]:
    """The uid and gid of somebody who is not root and has nothing."""
    try:
        user = pwd.getpwnam("nobody")
    except KeyError:
        return NOBODY, NOBODY
    return user.pw_uid, user.pw_gid


def complaint() -> str | None:
    """Why the running interpreter cannot be installed from, or None."""
    python = versioned(sys.executable)
    for path in (python, os.path.dirname(os.__file__) + "/."):
        part = hidden_by(path)
        if part is not None:
            return f"{path}: other users cannot use {part}"
        part = changeable_at(path)
        if part is not None:
            return f"{path}: others than root can change {part}"
    if os.geteuid() == 0:
        uid, gid = nobody()
        said = refusal(python, user=uid, group=gid)
        if said is not None:
            return f"{python}: other users cannot start it: {said}"
    return None


if __name__ == "__main__":
    reason = complaint()
    if reason is not None:
        print(reason, file=sys.stderr)
    sys.exit(reason is not None)
