"""What a chain finds on $PATH, what is ours and what is not, and how long it may be.

The reference for $PATH is the original envdir: same words, same status.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytools.process import launcher
from tests.support.ways import Outcome, Runtime, private_runtime

GOOD = b"#!/bin/sh\necho good from $0\n"
Prepare = Callable[[Path], object]


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    path = tmp_path_factory.mktemp("chain")
    (path / "empty").mkdir()
    with private_runtime(path) as runtime:
        yield runtime


@pytest.fixture
def place(tmp_path: Path, private: Runtime) -> Path:
    """Two directories for $PATH and a working directory."""
    for name in ("first", "second", "cwd"):
        (tmp_path / name).mkdir()
    put(tmp_path / "second/prog", GOOD)
    private.install(tmp_path / "second/ours", b"svok")
    return tmp_path


def put(file: Path, text: bytes, mode: int = 0o755) -> None:
    file.write_bytes(text)
    file.chmod(mode)


def chain(
    private: Runtime, words: list[bytes], env: dict[bytes, bytes], cwd: Path
) -> Outcome:
    """What our envdir makes of the rest of the chain."""
    inside = [b"sh", b"-c", b'cd "$0" && exec "$@"', os.fsencode(cwd)]
    envdir = [os.fsencode(private.bin / "envdir"), os.fsencode(private.path / "empty")]
    setup = [b"/bin/sh", *inside[1:], *envdir, *words]
    return private.start([b"envdir", *envdir[1:], *setup], by_exec=True, env=env)


def nothing(place: Path) -> None:
    pass


def make(name: str, kind: str) -> Prepare:
    """Something under that name that is no program."""

    def prepare(place: Path) -> None:
        path = place / name
        if kind == "directory":
            path.mkdir()
        elif kind == "fifo":
            os.mkfifo(path, 0o755)
        elif kind == "loop":
            path.symlink_to(path.name)
        elif kind == "dangling":
            path.symlink_to("nowhere")
        elif kind == "not executable":
            put(path, GOOD, 0o644)
        elif kind == "no format":
            put(path, b"neither a script nor a binary\n")
        elif kind == "no interpreter":
            put(path, b"#!/nonexistent/interpreter\n")
        elif kind == "empty":
            put(path, b"")
        elif kind == "good":
            put(path, GOOD)

    return prepare


BOTH = "{place}/first:{place}/second"
SITUATIONS: list[tuple[str, str | None, Prepare]] = [
    ("prog", BOTH, nothing),
    ("nosuch", BOTH, nothing),
    ("prog", None, nothing),
    ("true", None, nothing),
    ("prog", "", make("cwd/prog", "good")),
    ("prog", "", nothing),
    ("prog", "{place}/first:", make("cwd/prog", "good")),
    ("prog", ":{place}/second", nothing),
    ("prog", "{place}/first::{place}/second", make("cwd/prog", "good")),
    ("prog", "{place}/second/prog:{place}/second", nothing),
    ("prog", "{place}/second/prog", nothing),
    ("prog", "/nonexistent:{place}/second", nothing),
    ("", BOTH, nothing),
    ("/", BOTH, nothing),
    ("./prog", BOTH, nothing),
    ("./prog", BOTH, make("cwd/prog", "good")),
    ("./prog", BOTH, make("cwd/prog", "not executable")),
    ("./prog", BOTH, make("cwd/prog", "no format")),
    ("sub/prog", BOTH, nothing),
    ("x" * 300, BOTH, nothing),
]
for _kind in (
    *("directory", "fifo", "loop", "dangling", "not executable", "no format"),
    *("no interpreter", "empty"),
):
    SITUATIONS.append(("prog", BOTH, make("first/prog", _kind)))
    SITUATIONS.append(("prog", "{place}/first", make("first/prog", _kind)))
    SITUATIONS.append(("ours", BOTH, make("first/ours", _kind)))


@pytest.mark.parametrize("number", range(len(SITUATIONS)))
def test_path_search_answers_as_the_original(
    private: Runtime, place: Path, originals: str, number: int
) -> None:
    name, path, prepare = SITUATIONS[number]
    prepare(place)
    env = {} if path is None else {"PATH": path.format(place=place)}
    original = subprocess.run(
        [f"{originals}/envdir", str(private.path / "empty"), name],
        cwd=place / "cwd",
        env=env,
        capture_output=True,
        check=False,
        timeout=60,
    )
    ours = chain(
        private,
        [os.fsencode(name)],
        {os.fsencode(k): os.fsencode(v) for k, v in env.items()},
        place / "cwd",
    )
    assert ours.said() == (original.returncode, original.stdout, original.stderr)


def ran_here(outcome: Outcome) -> bool:
    """True when the last program ran without exec, in envdir's process."""
    return bool(outcome.states[-1]["born"] != outcome.states[-1]["program"])


def test_launcher_of_another_home_runs_here_with_that_home(
    private: Runtime, place: Path
) -> None:
    private.install(place / "cwd/check", b"svok", b"/other/home")
    outcome = chain(private, [b"./check"], private.environment(), place / "cwd")
    assert ran_here(outcome)
    assert outcome.states[-1]["runtime"] == (b"svok", b"/other/home")


def test_launcher_of_another_runtime_is_execed(private: Runtime, place: Path) -> None:
    put(place / "cwd/check", launcher.render(b"svok", b"/var/qmail"))
    outcome = chain(private, [b"./check"], private.environment(), place / "cwd")
    assert outcome.said() == (100, b"", b"svok: usage: svok dir\n")
    # It noted nothing: its code is the checkout's.
    assert {state["program"] for state in outcome.states} == {b"envdir"}


@pytest.mark.parametrize(
    "text", [b'#!/bin/sh\nexec svok "$@"\n', b"launcher and a line\n"]
)
def test_wrapper_in_the_place_of_a_launcher_is_execed(
    private: Runtime, place: Path, text: bytes
) -> None:
    if not text.startswith(b"#!"):
        text = (private.bin / "svok").read_bytes() + b"# an operator's note\n"
    put(place / "cwd/svok", text)
    outcome = chain(private, [b"./svok"], private.environment(), place / "cwd")
    assert outcome.said() == (100, b"", b"svok: usage: svok dir\n")
    assert not ran_here(outcome)


def test_launcher_without_execute_permission_is_refused(
    private: Runtime, place: Path
) -> None:
    private.install(place / "cwd/svok", b"svok")
    (place / "cwd/svok").chmod(0o644)
    outcome = chain(private, [b"./svok"], private.environment(), place / "cwd")
    text = b"envdir: fatal: unable to run ./svok: access denied\n"
    assert outcome.said() == (111, b"", text)


def test_link_to_a_launcher_runs_here_under_its_own_name(
    private: Runtime, place: Path
) -> None:
    (place / "cwd/mailq").symlink_to(private.bin / "sendmail")
    outcome = chain(private, [b"./mailq"], private.environment(), place / "cwd")
    assert outcome.said() == (0, b"", b"")
    # sendmail goes on to qmail-qread.
    state = outcome.states[-2]
    assert (state["program"], state["argv"]) == (b"sendmail", [b"./mailq"])
    assert state["born"] == b"envdir"


def test_next_that_must_exec_does(private: Runtime) -> None:
    outcome = private.start([b"svok"], by_exec=False, must_exec=True)
    assert b"-ISBXutf8" in outcome.states[-1]["title"]
    assert outcome.status == 100


def test_chain_of_two_hundred_hops_stays_one_frame_deep(private: Runtime) -> None:
    words = []
    for hop in range(100):
        words += [b"setlock", b"lock%d" % hop]
        words += [b"envdir", os.fsencode(private.path / "empty")]
    outcome = private.start([*words, b"svok", b"."], by_exec=True)
    assert outcome.said() == (100, b"", b"")
    assert len(outcome.states) == 201
    assert {state["born"] for state in outcome.states} == {b"setlock"}
    assert len({state["depth"] for state in outcome.states}) == 1
    assert len(outcome.states[-1]["descriptors"]) == 5 + 100


def test_entry_without_a_name_in_the_environment_is_no_trouble(
    private: Runtime,
) -> None:
    empty = os.fsencode(private.path / "empty")
    for after in ([b"svok", b"."], [b"/bin/sh", b"-c", b"exit 100"]):
        words = [b"envdir", empty, b"env", b"=x=1", b"envdir", empty, *after]
        outcome = private.start(words, by_exec=True)
        assert outcome.said() == (100, b"", b"")


def test_word_that_exec_cannot_take_is_reported_not_a_trace(private: Runtime) -> None:
    outcome = private.start([b"/bin/echo", b"a\0b"], by_exec=False)
    assert outcome.status == 111
    assert outcome.err == b": fatal: unable to run /bin/echo: invalid argument\n"
