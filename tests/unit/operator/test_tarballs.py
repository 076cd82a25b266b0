"""make tarballs: what is in each tree, that it is whole, and that it is always the same."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from qmail.operator import dnstools, runtime, tarballs
from qmail.operator.runtime import SOURCE
from qmail.operator.tarballs import RELEASED, TREES, Tree, pack
from tests.conftest import cannot_run

NETQMAIL, UCSPI, DAEMONTOOLS = TREES
BY_NAME = pytest.mark.parametrize("tree", TREES, ids=[tree.name for tree in TREES])


@pytest.fixture(scope="module")
def packed() -> dict[str, bytes]:
    """The three tarballs."""
    return {tree.name: pack(tree, RELEASED) for tree in TREES}


def opened(data: bytes) -> tarfile.TarFile:
    """A tarball to read."""
    return tarfile.open(fileobj=io.BytesIO(data))


def unpacked(data: bytes, place: Path) -> Path:
    """Unpack it as the guide does."""
    place.mkdir(exist_ok=True)
    subprocess.run(["tar", "xzpf", "-"], input=data, cwd=place, check=True)
    return place


@BY_NAME
def test_every_member_is_roots_below_one_directory(
    tree: Tree, packed: dict[str, bytes]
) -> None:
    top = f"{tree.below}{tree.name}"
    with opened(packed[tree.name]) as tar:
        members = tar.getmembers()
    names = [member.name for member in members]
    assert names == sorted(names)
    assert len(names) == len(set(names))
    for member in members:
        assert member.name == top or member.name.startswith(f"{top}/")
        assert (member.uid, member.gid, member.uname) == (0, 0, "root")
        assert member.mtime == RELEASED
        assert member.mode in (0o644, 0o755) or member.issym(), member.name
        assert "__pycache__" not in member.name
    assert names[0] == top


@BY_NAME
def test_the_same_source_gives_the_same_bytes(
    tree: Tree, packed: dict[str, bytes], tmp_path: Path
) -> None:
    # In another place, with other time stamps, copied in another order.
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in reversed(tarballs.ALL):
        source = SOURCE / name
        if source.is_dir():
            shutil.copytree(
                source,
                copy / name,
                symlinks=True,
                copy_function=shutil.copy,
                ignore=shutil.ignore_patterns("__pycache__"),
            )
        else:
            shutil.copy(source, copy / name)
    assert pack(tree, RELEASED, copy) == packed[tree.name]
    assert pack(tree, RELEASED + 1, copy) != packed[tree.name]


@BY_NAME
def test_a_tree_has_the_runtime_of_this_source(
    tree: Tree, packed: dict[str, bytes], tmp_path: Path
) -> None:
    root = unpacked(packed[tree.name], tmp_path) / tree.below / tree.name
    theirs = {p.relative_to(root): p.read_bytes() for p in runtime.sources(root)}
    ours = {p.relative_to(SOURCE): p.read_bytes() for p in runtime.sources()}
    assert theirs == ours


def test_the_tree_of_netqmail_makes_the_same_tarballs(
    packed: dict[str, bytes], tmp_path: Path
) -> None:
    root = unpacked(packed[NETQMAIL.name], tmp_path) / NETQMAIL.name
    assert pack(NETQMAIL, RELEASED, root) == packed[NETQMAIL.name]
    assert pack(UCSPI, RELEASED, root) == packed[UCSPI.name]


def test_what_is_listed_is_what_the_source_has() -> None:
    for name in (*tarballs.ALL, *tarballs.TOOLS):
        assert (SOURCE / name).exists(), name
    if (SOURCE / ".git").exists():
        listing = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-tree", "--name-only", "HEAD"],
            cwd=SOURCE,
            capture_output=True,
            text=True,
            check=True,
        )
        assert set(listing.stdout.split()) <= set(tarballs.ALL)


def test_what_is_built_or_left_over_is_no_source(tmp_path: Path) -> None:
    for name in ("a.py", "a.pyc", "b.py~", "error.h.orig", "error.h.rej"):
        (tmp_path / name).touch()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/a.cpython-311.pyc").touch()
    assert set(tarballs.below(tmp_path)) == {tmp_path, tmp_path / "a.py"}


@pytest.mark.parametrize(
    ("tree", "directory"), [(UCSPI, ""), (DAEMONTOOLS, "src")], ids=["ucspi", "dt"]
)
@pytest.mark.parametrize("how", ["plain", "-p1"])
def test_the_guides_patch_applies_once_and_cleanly(
    tree: Tree, directory: str, how: str, packed: dict[str, bytes], tmp_path: Path
) -> None:
    if shutil.which("patch") is None:
        cannot_run("needs the Debian package patch")
    top = unpacked(packed[tree.name], tmp_path) / tree.below / tree.name
    patches = unpacked(packed[NETQMAIL.name], tmp_path) / NETQMAIL.name
    data = (patches / f"other-patches/{tree.name}.errno.patch").read_bytes()
    where = top if how == "-p1" else top / directory
    options = [] if how == "plain" else [how]

    def patch() -> tuple[int, str]:
        done = subprocess.run(
            ["patch", *options],
            cwd=where,
            input=data,
            capture_output=True,
            check=False,
            start_new_session=True,
        )
        return done.returncode, done.stdout.decode()

    name = "src/error.h" if directory and how == "-p1" else "error.h"
    assert patch() == (0, f"patching file {name}\n")
    changed = (top / directory / "error.h").read_text()
    assert "\n#include <errno.h>\n" in changed
    assert "extern int errno;" not in changed
    code, said = patch()
    assert code == 1
    assert "previously applied" in said
    assert (top / directory / "error.h").read_text() == changed


def test_the_tools_of_the_build_are_at_the_top(
    packed: dict[str, bytes], tmp_path: Path
) -> None:
    root = unpacked(packed[NETQMAIL.name], tmp_path) / NETQMAIL.name
    for name in dnstools.NAMES:
        assert os.access(root / name, os.X_OK), name
        assert (root / name).resolve() == root / "package/tools/run"
        assert (SOURCE / "package/tools" / name).is_symlink()


def test_main_writes_them_with_the_time_of_the_environment(
    packed: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert tarballs.main(["tarballs", str(tmp_path / "new/place")]) == 0
    paths = capsys.readouterr().out.splitlines()
    assert [Path(path).name for path in paths] == [
        "netqmail-1.06.tar.gz",
        "ucspi-tcp-0.88.tar.gz",
        "daemontools-0.76.tar.gz",
    ]
    assert sorted(os.listdir(tmp_path / "new/place")) == sorted(
        Path(path).name for path in paths
    )
    with opened(Path(paths[1]).read_bytes()) as tar:
        assert {member.mtime for member in tar} == {1000000000}


def test_main_says_where_it_cannot_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert tarballs.main(["tarballs", str(tmp_path / "file/below")]) == 111
    assert capsys.readouterr().err.startswith("tarballs: fatal: unable to write them: ")
