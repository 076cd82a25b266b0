"""``setup`` and ``check`` of ucspi-tcp or daemontools alone, as their trees have them.

Each of the three trees of ``make tarballs`` holds all the code that a runtime is made
of, so what one installs the others find: setup of all of qmail leaves nothing to do for
the two, and before it each of the two needs neither users nor a qmail home.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator

from pytools.process import launcher
from qmail.operator import hier, instcheck, interpreter, runtime
from qmail.operator.places import HOME, Owners, Places, SetupError
from qmail.operator.setup import link_by_rename, write_by_rename

UCSPI = "ucspi-tcp"
DAEMONTOOLS = "daemontools"
MODE = 0o755


def main(argv: list[str]) -> int:
    """``setup PART`` or ``check PART``; with PREFIX as for all of qmail."""
    os.umask(0o022)
    what, part = argv[1:]
    places = Places(
        home=os.environ.get("QMAIL_HOME", HOME), prefix=os.environ.get("PREFIX", "")
    )
    try:
        if what == "setup":
            if os.geteuid() != 0:
                raise SetupError("must be run by root\n...try: sudo, or su first")
            install(part, places, os.environ.get("WHEELS"))
            if part == DAEMONTOOLS:
                name_tree(str(runtime.SOURCE), places)
        else:
            for finding in findings(part, places):
                print(f"instcheck: warning: {finding}")
    except SetupError as error:
        print(f"{part}: fatal: {error}", file=sys.stderr)
        return 111
    except OSError as error:
        print(f"{part}: fatal: unable to {what}: {error}", file=sys.stderr)
        return 111
    return 0


def programs(part: str, places: Places) -> list[str]:
    """The paths of the launchers of a part."""
    if part == UCSPI:
        return [f"{places.local_bin}/{name}" for name in hier.ucspi_programs()]
    return [f"{places.command}/{name}" for name in hier.daemontools_programs()]


def links(part: str, places: Places) -> dict[str, str]:
    """The symbolic links of a part, and where they lead."""
    if part == UCSPI:
        return {}
    return {
        f"{places.local_bin}/{os.path.basename(path)}": path
        for path in programs(part, places)
    }


def install(part: str, places: Places, wheels: str | None = None) -> str:
    """Write what is missing or of another version; the lib directory of the runtime."""
    complaint = interpreter.complaint()
    if complaint is not None:
        raise SetupError(
            f"the daemons could not start this interpreter: {complaint}\n"
            "...try: PYTHON=/usr/bin/python3"
        )
    python = interpreter.versioned(sys.executable)
    lib = runtime.build(places.runtimes, python, wheels)
    for directory in (places.command, places.local_bin):
        os.makedirs(directory, mode=MODE, exist_ok=True)
    home = os.fsencode(places.home)
    for path in programs(part, places):
        name = os.fsencode(os.path.basename(path))
        text = launcher.render(name, home, python=python, path=[lib])
        if not is_installed(path, text):
            write_by_rename(path, text, MODE, 0, 0)
    for path, target in links(part, places).items():
        link(target, path)
    return lib


def link(target: str, path: str) -> None:
    """Make ``path`` a symbolic link to ``target``, unless it is."""
    if not os.path.islink(path) or os.readlink(path) != target:
        link_by_rename(target, path)


def is_installed(path: str, text: bytes) -> bool:
    """True if the file is there with that text, root's, and of the right mode."""
    try:
        with open(path, "rb") as file:
            now = os.fstat(file.fileno())
            rights = (now.st_uid, now.st_gid, stat.S_IMODE(now.st_mode))
            return rights == (0, 0, MODE) and file.read(len(text) + 1) == text
    except OSError:
        return False


def findings(part: str, places: Places) -> Iterator[str]:
    """What differs from what setup makes."""
    root = Owners(trial=True, numbers=(0, 0))
    paths = [*programs(part, places), *links(part, places)]
    for path in paths:
        yield from instcheck.of_program(path, root)
    yield from instcheck.of_launchers(paths)


def name_tree(tree: str, places: Places) -> None:
    """Let /package/admin/daemontools be this version, with its programs in command/.

    Only in a tree that is called daemontools-VERSION; elsewhere nobody looks for them.
    """
    parent, name = os.path.split(tree)
    if not name.startswith(f"{DAEMONTOOLS}-"):
        return
    for path, target in (
        (f"{tree}/command", places.command),
        (f"{parent}/{DAEMONTOOLS}", name),
    ):
        if os.path.islink(path) or not os.path.exists(path):
            link(target, path)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
