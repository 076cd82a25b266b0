"""``setup`` and ``check`` of ucspi-tcp or daemontools alone, as their trees have them.

Each of the three trees of ``make tarballs`` holds all the code that a runtime is made
of, so what one installs the others find: setup of all of qmail leaves nothing to do for
the two, and before it each of the two needs neither users nor a qmail home.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from qmail.operator import instcheck, interpreter, launchers, runtime
from qmail.operator.launchers import Launcher
from qmail.operator.places import HOME, Owners, Places, SetupError
from qmail.operator.writing import link_unless_there

UCSPI = "ucspi-tcp"
DAEMONTOOLS = "daemontools"
ROOT = Owners(trial=True, numbers=(0, 0))


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


def programs(part: str, places: Places) -> list[Launcher]:
    """The launchers of a part; all are root's."""
    of_part = launchers.of_ucspi if part == UCSPI else launchers.of_daemontools
    return list(of_part(places, ROOT))


def links(part: str, places: Places) -> dict[str, str]:
    """The symbolic links of a part, and where they lead."""
    return {} if part == UCSPI else launchers.links_of_daemontools(places)


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
    every = iter(programs(part, places))
    launchers.install(every, links(part, places), places, python, lib)
    return lib


def findings(part: str, places: Places) -> Iterator[str]:
    """What differs from what setup makes."""
    paths = [one.path for one in programs(part, places)]
    paths += links(part, places)
    for path in paths:
        yield from instcheck.of_program(path, ROOT)
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
            link_unless_there(target, path)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
