"""``make check``: compare an installation with what setup makes, to the mode bit.

Prints nothing when all is well; like the original it exits 0 whatever it found.
"""

from __future__ import annotations

import os
import stat
import sys
from collections import Counter
from collections.abc import Iterator

from qmail.operator import hier
from qmail.operator.ownership import KINDS
from qmail.operator.places import Owners, Places, SetupError


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
    programs = [f"{places.home}/bin/{name}" for name in hier.qmail_programs()]
    for directory, names in (
        (places.command, hier.daemontools_programs()),
        (places.local_bin, [*hier.daemontools_programs(), *hier.ucspi_programs()]),
    ):
        for name in names:
            path = os.path.join(directory, name)
            yield from of_program(path, owners)
            programs.append(path)
    yield from of_launchers(programs)


def of_program(path: str, owners: Owners) -> Iterator[str]:
    """What is wrong with a program outside of the home: a file of root's, mode 0755."""
    try:
        now = os.stat(path)
    except FileNotFoundError:
        yield f"{path} does not exist"
        return
    if now.st_uid != owners.uid("root"):
        yield f"{path} has wrong owner"
    if stat.S_IMODE(now.st_mode) != 0o755:
        yield f"{path} has wrong permissions"


def of_launchers(programs: list[str]) -> Iterator[str]:
    """Which programs are not what setup wrote: one text, but for the program's name.

    COMPAT: the original has nothing of the kind. Another file in the place of a program
    may well be meant, a wrapper for example; then this says that it is there.
    """
    texts: dict[str, bytes] = {}
    for path in programs:
        try:
            with open(path, "rb") as file:
                text = file.read(8192)
        except OSError:
            continue
        texts[path] = text.rpartition(b"\nlaunch(")[0]
        name = os.fsencode(os.path.basename(path))
        if not text.endswith(b"')\n") or b"\nlaunch(b'%b', b'" % name not in text:
            yield f"{path} is not the program that setup installed"
            del texts[path]
    usual = Counter(texts.values()).most_common(1)
    for path, text in texts.items():
        if text != usual[0][0]:
            yield f"{path} is of another version"


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
    except PermissionError as error:
        print(
            f"instcheck: fatal: {error.filename} cannot be looked at", file=sys.stderr
        )
        print("...try: be root: sudo make check", file=sys.stderr)
        return 111
    except (SetupError, OSError) as error:
        print(f"instcheck: fatal: {error}", file=sys.stderr)
        return 111
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
