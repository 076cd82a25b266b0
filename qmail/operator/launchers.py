"""The launchers of all programs: where each lies, whose it is, and writing them.

Three parts, as the guide installs them; setup of all of qmail has all three.

    part          lies in
    qmail         bin/ of the home, with the owners and modes of hier.py
    daemontools   /command, and links to there in /usr/local/bin
    ucspi-tcp     /usr/local/bin, and with all of qmail the operator's own programs
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from pytools.process import launcher
from pytools.process.programs import OPERATOR
from qmail.operator import hier
from qmail.operator.places import Owners, Places
from qmail.operator.writing import link_unless_there, write_unless_there

MODE = 0o755


class Launcher(NamedTuple):
    """A file that starts a program, which is called as the file is."""

    path: str
    mode: int
    uid: int
    gid: int


def of_qmail(places: Places, owners: Owners) -> Iterator[Launcher]:
    """Those in the home."""
    for entry in hier.program_files():
        uid, gid = owners.uid(entry.owner), owners.gid(entry.group)
        yield Launcher(f"{places.home}/{entry.path}", entry.mode, uid, gid)


def of_daemontools(places: Places, owners: Owners) -> Iterator[Launcher]:
    """Those in /command."""
    root, group = owners.uid("root"), owners.gid("root")
    for name in hier.daemontools_programs():
        yield Launcher(f"{places.command}/{name}", MODE, root, group)


def of_ucspi(places: Places, owners: Owners) -> Iterator[Launcher]:
    """Those in /usr/local/bin."""
    root, group = owners.uid("root"), owners.gid("root")
    for name in hier.ucspi_programs():
        yield Launcher(f"{places.local_bin}/{name}", MODE, root, group)


def of_operator(places: Places, owners: Owners) -> Iterator[Launcher]:
    """pyqmail and its like, in /usr/local/bin."""
    root, group = owners.uid("root"), owners.gid("root")
    for name in sorted(OPERATOR):
        yield Launcher(f"{places.local_bin}/{os.fsdecode(name)}", MODE, root, group)


def links_of_daemontools(places: Places) -> dict[str, str]:
    """The symbolic links in /usr/local/bin, and where they lead."""
    return {
        f"{places.local_bin}/{name}": f"{places.command}/{name}"
        for name in hier.daemontools_programs()
    }


def install(
    launchers: Iterator[Launcher],
    links: dict[str, str],
    places: Places,
    python: str,
    lib: str,
) -> None:
    """Write what is missing, or of another interpreter or runtime. OSError."""
    for directory in (places.command, places.local_bin):
        os.makedirs(directory, mode=MODE, exist_ok=True)
    home = os.fsencode(places.home)
    for path, mode, uid, gid in launchers:
        name = os.fsencode(os.path.basename(path))
        text = launcher.render(name, home, python=python, path=[lib])
        write_unless_there(path, text, mode, uid, gid)
    for path, target in links.items():
        link_unless_there(target, path)
