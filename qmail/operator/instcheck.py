"""``make check``: compare an installation with what setup makes, to the mode bit.

Prints nothing when all is well; like the original it exits 0 whatever it found.
"""

from __future__ import annotations

import os
import stat
import sys

from qmail.operator import hier
from qmail.operator.places import Owners, Places, SetupError
from qmail.operator.setup import KINDS


def warn(path: str, what: str) -> None:
    """One finding, in the original's words."""
    print(f"instcheck: warning: {path} {what}")


def check_entry(home: str, entry: hier.Entry, owners: Owners) -> None:
    """Compare one path with its entry."""
    path = home if entry.path == "." else os.path.join(home, entry.path)
    try:
        now = os.lstat(path)
    except FileNotFoundError:
        warn(path, "does not exist")
        return
    if now.st_uid != owners.uid(entry.owner):
        warn(path, "has wrong owner")
    if now.st_gid != owners.gid(entry.group):
        warn(path, "has wrong group")
    if stat.S_IMODE(now.st_mode) != entry.mode:
        warn(path, "has wrong permissions")
    if not KINDS[entry.kind](now.st_mode):
        warn(path, "has wrong type")


def check(places: Places, owners: Owners) -> None:
    """Compare everything below a home, and that the programs elsewhere are there."""
    for entry in (
        *hier.directories(),
        *hier.queue_files(),
        *hier.program_files(),
        *hier.boot_files(),
    ):
        check_entry(places.home, entry, owners)
    for directory, names in (
        (places.command, hier.daemontools_programs()),
        (places.local_bin, [*hier.daemontools_programs(), *sorted(hier.UCSPI)]),
    ):
        for name in names:
            if not os.path.exists(os.path.join(directory, name)):
                warn(os.path.join(directory, name), "does not exist")


def main(argv: list[str]) -> int:
    """``instcheck [home]``."""
    places = Places(
        home=argv[1] if len(argv) > 1 else os.environ.get("QMAIL_HOME", "/var/qmail"),
        prefix=os.environ.get("PREFIX", ""),
    )
    try:
        check(places, Owners())
    except (SetupError, OSError) as error:
        print(f"instcheck: fatal: {error}", file=sys.stderr)
        return 111
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
