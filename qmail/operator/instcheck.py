"""``make check``: compare an installation with what setup makes, to the mode bit.

Prints nothing when all is well; like the original it exits 0 whatever it found.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator

from qmail.operator import hier
from qmail.operator.places import Owners, Places, SetupError
from qmail.operator.setup import KINDS


def of_entry(home: str, entry: hier.Entry, owners: Owners) -> Iterator[str]:
    """What differs between one path and its entry, in the original's words."""
    path = home if entry.path == "." else os.path.join(home, entry.path)
    try:
        now = os.stat(path, follow_symlinks=entry.may_be_link)
    except FileNotFoundError:
        yield f"{path} does not exist"
        return
    if now.st_uid != owners.uid(entry.owner):
        yield f"{path} has wrong owner"
    if now.st_gid != owners.gid(entry.group):
        yield f"{path} has wrong group"
    if stat.S_IMODE(now.st_mode) != entry.mode:
        yield f"{path} has wrong permissions"
    if not KINDS[entry.kind](now.st_mode):
        yield f"{path} has wrong type"


def findings(places: Places, owners: Owners) -> Iterator[str]:
    """Compare everything below a home, and see that the programs elsewhere are there."""
    for entry in (
        *hier.directories(),
        *hier.queue_files(),
        *hier.program_files(),
        *hier.boot_files(),
    ):
        yield from of_entry(places.home, entry, owners)
    for directory, names in (
        (places.command, hier.daemontools_programs()),
        (places.local_bin, [*hier.daemontools_programs(), *sorted(hier.UCSPI)]),
    ):
        for name in names:
            if not os.path.exists(os.path.join(directory, name)):
                yield f"{os.path.join(directory, name)} does not exist"


def report(places: Places) -> int:
    """Print what differs; how much that is. SetupError, OSError."""
    found = list(findings(places, Owners.of(places)))
    for what in found:
        print(f"instcheck: warning: {what}")
    return len(found)


def main(argv: list[str]) -> int:
    """``instcheck [home]``."""
    places = Places(
        home=argv[1] if len(argv) > 1 else os.environ.get("QMAIL_HOME", "/var/qmail"),
        prefix=os.environ.get("PREFIX", ""),
    )
    try:
        report(places)
    except (SetupError, OSError) as error:
        print(f"instcheck: fatal: {error}", file=sys.stderr)
        return 111
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
