"""Which file a word means, and what a chain needs before the first fork."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pytools.base.environment import environ
from pytools.process import chain, launcher, programs
from pytools.process.child import in_child


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A directory with launchers of some programs."""
    for name in (b"setlock", b"envdir", b"svok", b"tcpserver", b"setuidgid"):
        file = tmp_path / os.fsdecode(name)
        file.write_bytes(launcher.render(name, b"/home"))
        file.chmod(0o755)
    return tmp_path


def in_a_fresh_child(path: Path, words: str, **env: str) -> list[str]:
    """The programs that preload imports there, and its answer at the end."""

    def work() -> bytes:
        for name in [n for n in sys.modules if ".commands" in n]:
            del sys.modules[name]
        environ.clear()
        environ[b"PATH"] = bytes(path) + b":/usr/bin:/bin"
        environ.update({k.encode(): v.encode() for k, v in env.items()})
        answer = chain.preload([word.encode() for word in words.split()])
        loaded = [n for n in sys.modules if ".commands." in n]
        return " ".join([*(n.rpartition(".")[2] for n in loaded), str(answer)]).encode()

    return in_child(work).decode().split()


@pytest.mark.parametrize(
    ("words", "loaded"),
    [
        ("svok dir", ["svok", "True"]),
        ("setlock -n lock envdir d svok x", ["setlock", "envdir", "svok", "True"]),
        ("setlock lock sh -c x", ["setlock", "True"]),
        ("envdir d nosuchprogram svok", ["envdir", "True"]),
        ("setlock -z lock svok", ["setlock", "True"]),
        ("envdir d", ["envdir", "True"]),
        ("sh -c svok", ["False"]),
        ("nosuchprogram svok", ["False"]),
        (
            "tcpserver -H 0 25 setuidgid u svok",
            ["tcpserver", "setuidgid", "svok", "True"],
        ),
    ],
)
def test_preload_imports_the_chain_as_far_as_it_is_ours(
    path: Path, words: str, loaded: list[str]
) -> None:
    assert in_a_fresh_child(path, words) == loaded


def test_preload_imports_too_where_everything_is_execed(path: Path) -> None:
    # softlimit learns from it how much room a fresh interpreter needs.
    assert in_a_fresh_child(path, "svok x", PYQMAIL_EXEC="1") == ["svok", "True"]


def test_is_ours_does_not_touch_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    writer = os.open(tmp_path / "fifo", os.O_RDWR | os.O_NONBLOCK)
    os.write(writer, launcher.render(b"svok", b"/home"))
    assert chain.is_ours(bytes(tmp_path / "fifo")) is None
    assert os.read(writer, 2) == b"#!"
    os.close(writer)
    assert chain.is_ours(bytes(tmp_path)) is None
    assert chain.is_ours(b"/dev/null") is None


def test_is_ours_of_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        chain.is_ours(bytes(tmp_path / "none"))


def test_candidates_follow_path_and_take_an_empty_element_for_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(environ, b"PATH", b"/a::b:")
    assert list(chain.candidates(b"x")) == [b"/a/x", b"./x", b"b/x", b"./x"]
    assert list(chain.candidates(b"./x")) == [b"./x"]
    monkeypatch.delitem(environ, b"PATH")
    assert list(chain.candidates(b"x")) == [b"/bin/x", b"/usr/bin/x"]


def test_every_program_has_a_module_with_a_main() -> None:
    for program in programs.PYTOOLS | programs.QMAIL | set(programs.ALIASES):
        assert callable(chain.load(program))


def test_load_of_no_program_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        chain.load(b"os.system")
    assert programs.module_of(b"svok/../svc") is None


def test_exec_emulation_without_proc_is_an_exec(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_proc() -> list[int]:
        raise FileNotFoundError

    assert chain._ours_now(bytes(path / "svok")) is not None
    monkeypatch.setattr(chain, "_listed_descriptors", no_proc)
    assert chain._ours_now(bytes(path / "svok")) is None
    assert 0 in chain.open_descriptors()
