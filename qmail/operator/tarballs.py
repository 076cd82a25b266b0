"""``make tarballs``: the three tarballs that the guide begins with, from this source.

netqmail-1.06    all of it: what ``make setup check`` installs here, it installs there.
ucspi-tcp-0.88,  the code of a runtime, which must be the same in all three (parts.py),
daemontools-0.76 and what their own steps in the guide name.
Own files        of each tree are in package/trees, below its name. Among them are the
                 targets of the guide's ``patch`` commands, which do nothing, and the
                 patches.
Reproducible     the same source gives the same bytes: names in order, one time stamp
                 ($SOURCE_DATE_EPOCH), root's files, modes 0755 and 0644 only.
"""

from __future__ import annotations

import gzip
import os
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from qmail.operator import dnstools
from qmail.operator.runtime import SOURCE

RELEASED = 1795305600
"""The time stamp of everything, if the environment has none: 2026-11-22 00:00 UTC."""

ALL = (
    *(".ci", ".gitignore", "INSTALL.ids", "Makefile", "README.md", "SECURITY.md"),
    *("boot", "config", "config-fast", "inst_check", "man", "package"),
    *("pyproject.toml", "pytools", "qmail", "service-templates", "tests"),
)
TOOLS = ("package/python", "pytools", "qmail", "service-templates")
BUILT = ("__pycache__", ".pyc", ".mypy_cache", ".ruff_cache", ".orig", ".rej", "~")
"""How the names end of what is no source."""


@dataclass(frozen=True)
class Tree:
    """One tarball: its name, where it unpacks to, and what of the source it holds."""

    name: str
    holds: tuple[str, ...]
    below: str = ""
    links: tuple[tuple[str, str], ...] = ()
    """Symbolic links, as (name, target)."""


TREES = (
    Tree(
        "netqmail-1.06",
        ALL,
        # The original's build leaves these at the top.
        links=tuple((name, f"package/tools/{name}") for name in dnstools.NAMES),
    ),
    Tree("ucspi-tcp-0.88", TOOLS),
    Tree("daemontools-0.76", TOOLS, below="admin/"),
)


def members(tree: Tree, source: Path = SOURCE) -> dict[str, Path | str]:
    """What is in a tree: a file or directory to copy, or the target of a link."""
    found: dict[str, Path | str] = {}
    own = source / "package/trees" / tree.name
    for root, names in ((source, tree.holds), (own, tuple(os.listdir(own)))):
        for name in names:
            for path in below(root / name):
                found[str(path.relative_to(root))] = path
    found.update(tree.links)
    for name in list(found):
        # A directory of one file only is still a directory.
        for parent in list(Path(name).parents)[:-1]:
            found.setdefault(str(parent), source / parent)
    return found


def below(path: Path) -> Iterator[Path]:
    """The path, and everything in it that is source."""
    if path.name.endswith(BUILT):
        return
    yield path
    if path.is_dir() and not path.is_symlink():
        for entry in path.iterdir():
            yield from below(entry)


def pack(tree: Tree, epoch: int, source: Path = SOURCE) -> bytes:
    """The tarball. OSError."""
    data = BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        found = members(tree, source)
        for name, what in sorted({"": source, **found}.items()):
            info = tarfile.TarInfo(f"{tree.below}{tree.name}/{name}".rstrip("/"))
            info.mtime = epoch
            info.uname = info.gname = "root"
            if isinstance(what, str) or what.is_symlink():
                info.type = tarfile.SYMTYPE
                info.mode = 0o777
                info.linkname = what if isinstance(what, str) else os.readlink(what)
                tar.addfile(info)
            elif what.is_dir():
                info.type = tarfile.DIRTYPE
                info.mode = 0o755
                tar.addfile(info)
            else:
                content = what.read_bytes()
                info.size = len(content)
                info.mode = 0o755 if what.stat().st_mode & 0o100 else 0o644
                tar.addfile(info, BytesIO(content))
    return gzip.compress(data.getvalue(), mtime=epoch)


def main(argv: list[str]) -> int:
    """``tarballs [DIRECTORY]``; default: build/tarballs."""
    directory = Path(argv[1] if len(argv) > 1 else SOURCE / "build/tarballs")
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", RELEASED))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for tree in TREES:
            path = directory / f"{tree.name}.tar.gz"
            new = path.with_name(f".{path.name}.new")
            new.write_bytes(pack(tree, epoch))
            new.replace(path)
            print(path)
    except OSError as error:
        print(f"tarballs: fatal: unable to write them: {error}", file=sys.stderr)
        return 111
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
