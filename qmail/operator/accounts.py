"""The users and groups of INSTALL.ids, made with the tools that the machine has."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess

from qmail.operator.places import GROUPS, HOME, USERS, SetupError

OF_GROUP_QMAIL = ("qmailq", "qmailr", "qmails")
NOLOGIN = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false")


def group_of(user: str) -> str:
    """The one group that a user is in."""
    return "qmail" if user in OF_GROUP_QMAIL else "nofiles"


def home_of(user: str) -> str:
    """The home that INSTALL.ids gives a user; it is not made here."""
    return f"{HOME}/alias" if user == "alias" else HOME


def create_missing() -> None:
    """Make the groups and users that do not exist; say which. SetupError."""
    for group in GROUPS:
        if not _exists(grp.getgrnam, group):
            print(f"Creating group {group}...")
            _run(group_command(group), f"group {group}")
    for user in USERS:
        if not _exists(pwd.getpwnam, user):
            print(f"Creating user {user}...")
            _run(user_command(user), f"user {user}")


def _exists(look_up: object, name: str) -> bool:
    assert callable(look_up)
    try:
        look_up(name)
    except KeyError:
        return False
    return True


def group_command(group: str) -> list[str]:
    """How this machine makes a group."""
    return [_tool("groupadd", "addgroup"), group]


def user_command(user: str) -> list[str]:
    """How this machine makes a user who never logs in."""
    shell = next((path for path in NOLOGIN if os.path.exists(path)), NOLOGIN[0])
    group, home = group_of(user), home_of(user)
    tool = _tool("useradd", "adduser")
    if tool.endswith("/adduser"):
        return [tool, "-D", "-H", "-G", group, "-h", home, "-s", shell, user]
    return [tool, user, "-g", group, "-d", home, "-s", shell]


def _tool(name: str, of_busybox: str) -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    found = shutil.which(name, path=path)
    if found is not None:
        return found
    other = shutil.which(of_busybox, path=path)
    # Debian's adduser is another program, but there useradd is found first.
    if other is not None and os.path.realpath(other).endswith("/busybox"):
        return other
    raise SetupError(
        f"no {name} on this machine\n"
        "...try: make the users by hand; INSTALL.ids says which: less INSTALL.ids"
    )


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr + done.stdout).strip().splitlines()
        why = said[-1] if said else f"exit status {done.returncode}"
        raise SetupError(f"unable to create {what}: {why}\n...try: {' '.join(command)}")
