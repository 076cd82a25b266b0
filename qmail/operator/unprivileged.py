"""Where a trial instance lies, and how one that root starts comes to run as somebody else.

qmail-lspawn never delivers as uid 0, and what a trial does needs no privilege. So root
becomes the owner of the checkout; where that is root himself, nobody, who is given a
copy of the sources: he may be unable to read the checkout.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shutil
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from qmail.operator import interpreter
from qmail.operator.places import HOME, SetupError
from qmail.operator.runtime import SOURCE

NOBODY = 65534
LONGEST = 107 - len(HOME + "/run/queued.new")
"""A socket's path may have 107 bytes."""
STAGED = ("pytools", "qmail", "service-templates", "boot", "man", "package")
OF_ROOT = ("HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")
"""Variables that name root, or what only he can use."""


@dataclass(frozen=True)
class User:
    """Who is to run the instance."""

    uid: int
    gid: int
    name: str
    home: str


def is_usable(path: str) -> bool:
    """True if scripts, socket addresses and users/assign can carry the path."""
    return bool(re.fullmatch(r"[A-Za-z0-9_./+,@%=~-]+", path)) and len(path) <= LONGEST


def elsewhere(uid: int) -> str:
    """A directory for the instance outside of the checkout, always the same."""
    digest = hashlib.sha256(f"{SOURCE}\0{uid}".encode(errors="surrogateescape"))
    return f"/var/tmp/pyqmail-trial-{digest.hexdigest()[:8]}"


def make_place() -> str:
    """The directory of the instance of whoever calls, made with mode 0700."""
    below = f"{SOURCE}/build/trial"
    if is_usable(below):
        try:
            os.makedirs(os.path.dirname(below), exist_ok=True)
            return take(below, os.getuid())
        except (OSError, SetupError):
            pass
    return take(elsewhere(os.getuid()), os.getuid())


def take(path: str, uid: int, gid: int = -1) -> str:
    """Make the directory, or see that it is that user's own and nobody else's."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    else:
        os.chown(path, uid, gid)
    # SECURITY: in /var/tmp anybody can have been there first.
    now = os.lstat(path)
    if not stat.S_ISDIR(now.st_mode) or now.st_uid != uid or now.st_mode & 0o077:
        raise SetupError(
            f"{path} is not a private directory of uid {uid}'s\n"
            f"...try: look whose it is and remove it: ls -ld {path}"
        )
    return path


def become_somebody(arguments: list[str]) -> None:
    """As root: start again as another user; does not return."""
    complaint = interpreter.complaint()
    if complaint is not None:
        raise SetupError(
            f"no other user could start this interpreter: {complaint}\n"
            "...try: PYTHON=/usr/bin/python3 make run"
        )
    owner = os.stat(SOURCE).st_uid
    user = account(owner) if owner else nobody()
    environment = {k: v for k, v in os.environ.items() if k not in OF_ROOT}
    environment["USER"] = environment["LOGNAME"] = user.name
    command = [sys.executable, "-m", "qmail.operator.trial", *arguments]
    if owner:
        change_to(user)
        os.chdir(SOURCE)
        environment["HOME"] = user.home
    else:
        place = nobodys_place(user)
        sources = read_sources()
        wheels = read_wheels(os.environ.get("WHEELS"))
        change_to(user)
        write_files(f"{place}/source", sources)
        if wheels is not None:
            write_files(f"{place}/wheels", wheels)
            environment["WHEELS"] = f"{place}/wheels"
        os.chdir(f"{place}/source")
        environment["PYTHONPATH"] = f"{place}/source"
        environment["HOME"] = place
        command += ["--instance", place]
    print(f"You are root; the trial runs as {user.name}.", flush=True)
    os.execve(command[0], command, environment)


def account(uid: int) -> User:
    """The user with that number, who may have no name."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return User(uid, os.stat(SOURCE).st_gid or uid, f"uid {uid}", "/")
    return User(uid, entry.pw_gid, entry.pw_name, entry.pw_dir)


def nobody() -> User:
    """The user for those who are nobody in particular."""
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return User(NOBODY, NOBODY, "nobody", "/")
    return User(entry.pw_uid, entry.pw_gid, "nobody", "/")


def nobodys_place(user: User) -> str:
    """A directory of his own, below the checkout if he can get there."""
    below = f"{SOURCE}/build/trial-nobody"
    try:
        os.makedirs(f"{SOURCE}/build", mode=0o755, exist_ok=True)
        reachable = interpreter.hidden_by(f"{SOURCE}/build/.") is None
    except OSError:
        reachable = False
    if reachable and is_usable(below):
        return take(below, user.uid, user.gid)
    return take(elsewhere(user.uid), user.uid, user.gid)


def change_to(user: User) -> None:
    """Be that user and no other from here on."""
    os.setgroups([user.gid])
    os.setgid(user.gid)
    os.setuid(user.uid)


def read_sources() -> dict[str, bytes]:
    """What a trial needs of the checkout, by relative path."""
    files = [p for name in STAGED for p in sorted((SOURCE / name).rglob("*"))]
    files += [SOURCE / name for name in ("README.md", "SECURITY.md", "INSTALL.ids")]
    return {
        str(path.relative_to(SOURCE)): path.read_bytes()
        for path in files
        if path.is_file() and path.suffix != ".pyc"
    }


def read_wheels(directory: str | None) -> dict[str, bytes] | None:
    """The libraries that $WHEELS names, if it does."""
    if not directory:
        return None
    return {p.name: p.read_bytes() for p in Path(directory).iterdir() if p.is_file()}


def write_files(directory: str, files: dict[str, bytes]) -> None:
    """Replace a directory by these files; as their owner, never as root."""
    shutil.rmtree(directory, ignore_errors=True)
    for name, data in files.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
