"""However one of our programs is started, neither it nor its caller can tell.

By exec of its launcher; after another of ours in the same process; forked from a warm
parent; and all of that with PYQMAIL_EXEC set. Every program is run each way, and what
its main finds (arguments, descriptors, environment, signals, limits, ...) and what it
answers are the same. What the kernel does at exec is the reference.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import pytest

from pytools.process.programs import LONG_LIVED
from tests.support.ways import PROGRAMS, Outcome, Runtime, State, private_runtime
from tests.support.ways_cases import CASES, Case, files

WAYS = ["chained", "forked", "forked and chained"]
WAYS += [way + ", PYQMAIL_EXEC set" for way in WAYS]

APART = ("born", "depth", "title")
"""What differs, and is looked at on its own."""
VOLATILE = re.compile(
    rb"\d+ (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) 20\d\d \d\d:\d\d:\d\d"
    rb"|20\d{12}\.\d+|@4[0-9a-f]{23}|<\d+\.\d+@"
)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    path = tmp_path_factory.mktemp("ways")
    (path / "empty").mkdir()
    with private_runtime(path) as runtime:
        yield runtime


def start(private: Runtime, case: Case, way: str) -> Outcome:
    """Run the case that way."""
    env = {**private.environment(), **case.env}
    if "PYQMAIL_EXEC" in way:
        env[b"PYQMAIL_EXEC"] = b"1"
    before = [b"envdir", os.fsencode(private.path / "empty")]
    return private.start(
        (before if "chained" in way else []) + case.argv,
        by_exec="forked" not in way,
        env=env,
        stdin=case.stdin,
        prepare=case.prepare,
        closed=case.closed,
    )


def last_state(outcome: Outcome, program: bytes) -> State:
    """What the main of ``program`` found."""
    return next(s for s in reversed(outcome.states) if s["program"] == program)


def comparable(state: State) -> State:
    """The state without what is allowed to differ."""
    kept = {name: value for name, value in state.items() if name not in APART}
    kept["env"] = {k: v for k, v in state["env"].items() if k != b"PYQMAIL_EXEC"}
    return kept


def said(outcome: Outcome, case: Case) -> tuple[int, bytes, bytes]:
    """What a caller sees, without dates and process ids."""
    status, out, err = outcome.said()
    if case.status is None:
        return 0, b"", b""
    return status, VOLATILE.sub(b"<now>", out), VOLATILE.sub(b"<now>", err)


def test_every_program_has_a_case() -> None:
    assert sorted({case.program for case in CASES}) == PROGRAMS


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_program_started_any_way_cannot_be_told_apart(
    private: Runtime, case: Case
) -> None:
    by_exec = start(private, case, "exec")
    reference = last_state(by_exec, case.program)
    assert by_exec.status == (by_exec.status if case.status is None else case.status)
    assert by_exec.pid != 0
    assert reference["SigCgt"] == "0000000000000000"
    assert {flag for _, _, flag in reference["descriptors"].values()} == {0}
    for way in WAYS:
        outcome = start(private, case, way)
        state = last_state(outcome, case.program)
        assert comparable(state) == comparable(reference), way
        assert said(outcome, case) == said(by_exec, case), way
        execed = "PYQMAIL_EXEC" in way
        if execed:
            assert state["born"] == case.program, way
        if way == "chained":
            assert (state["born"], state["depth"]) == (b"envdir", reference["depth"])
        if case.program in LONG_LIVED:
            assert state["title"] == reference["title"], way


def test_warm_fork_of_program_does_not_exec(private: Runtime) -> None:
    # The warm parent's own interpreter notes its first program once.
    case = next(case for case in CASES if case.program == b"svok")
    title = last_state(start(private, case, "forked"), b"svok")["title"]
    assert title == b"svok"
    title = last_state(start(private, case, "exec"), b"svok")["title"]
    assert b"-ISBXutf8" in title


@pytest.mark.parametrize("way", ["exec", *WAYS])
def test_program_that_stays_shows_its_arguments_in_ps(
    private: Runtime, way: str
) -> None:
    case = next(case for case in CASES if case.program == b"multilog")
    state = last_state(start(private, case, way), b"multilog")
    assert state["title"] == b" ".join(case.argv)


@pytest.mark.parametrize("by_exec", [True, False], ids=["exec", "fork"])
def test_program_that_stays_shows_its_arguments_after_a_changed_environment(
    private: Runtime, by_exec: bool
) -> None:
    # Where the words for ps lie is found by way of the environment, which moves.
    names = [name.decode() for name in private.environment()]
    more = {f"d__{name}": f"{private.bin}:/usr/bin:/bin" for name in names}
    words = [b"envdir", b"d", b"multilog", b"-x", b"+y"]
    outcome = private.start(words, by_exec=by_exec, prepare=files(**more))
    assert last_state(outcome, b"multilog")["title"] == b"multilog -x +y"


@pytest.mark.parametrize("by_exec", [True, False], ids=["exec", "fork"])
def test_caught_signals_are_not_caught_in_the_program(
    private: Runtime, by_exec: bool
) -> None:
    outcome = private.start([b"svok"], by_exec=by_exec, caught=(1, 12, 15, 40))
    state = last_state(outcome, b"svok")
    assert state["SigCgt"] == mask()
    # Nor is the pipe of the handlers there.
    assert sorted(state["descriptors"]) == [0, 1, 2, 3, 7]


def ignoring(private: Runtime, by_exec: bool, before: list[bytes]) -> str:
    outcome = private.start(
        [*before, b"svok"],
        by_exec=by_exec,
        ignored=(signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP),
    )
    found = int(last_state(outcome, b"svok")["SigIgn"], 16)
    # 32 and 33 are the C library's own; who starts the tests may have left them ignored.
    return f"{found & ~(3 << 31):016x}"


def mask(*signals: int) -> str:
    return f"{sum(1 << (number - 1) for number in signals):016x}"


def test_ignored_sigpipe_is_the_one_thing_an_interpreter_forgets(
    private: Runtime,
) -> None:
    kept = mask(signal.SIGINT, signal.SIGHUP)
    everything = mask(signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ)
    assert ignoring(private, by_exec=True, before=[]) == kept
    before = [b"envdir", os.fsencode(private.path / "empty")]
    assert ignoring(private, by_exec=True, before=before) == kept
    assert ignoring(private, by_exec=False, before=[]) == everything


@pytest.mark.parametrize("by_exec", [True, False], ids=["exec", "fork"])
def test_standard_descriptors_closed_stay_closed(
    private: Runtime, by_exec: bool
) -> None:
    before = [b"envdir", os.fsencode(private.path / "empty")]
    outcome = private.start([*before, b"svok", b"."], by_exec=by_exec, closed=(0, 1, 2))
    assert outcome.status == 100
    for state in outcome.states:
        assert sorted(state["descriptors"]) == [3, 7]


@pytest.mark.parametrize("by_exec", [True, False], ids=["exec", "fork"])
def test_lock_of_setlock_lives_on_in_the_program(
    private: Runtime, by_exec: bool
) -> None:
    outcome = private.start([b"setlock", b"lock", b"svok", b"."], by_exec=by_exec)
    first, second = outcome.states
    more = set(second["descriptors"]) - set(first["descriptors"])
    assert more == {4}
    path, flags, of_fd = second["descriptors"][4]
    assert (path, of_fd) == ("<RUN>/cwd/lock", 0)
    assert flags & os.O_APPEND


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {b"TZ": b"ABC+5"},
        {b"LC_CTYPE": b"C"},
        {b"LC_CTYPE": b"C.UTF-8"},
        {b"LC_CTYPE": b""},
        {b"LC_CTYPE": b"no_SUCH"},
        {b"LC_ALL": b"C"},
        {b"LANG": b"C"},
    ],
    ids=repr,
)
def test_environment_is_replaced_whole_with_its_time_zone(
    private: Runtime, kept: dict[bytes, bytes]
) -> None:
    path = {b"PATH": os.fsencode(private.bin)}
    outcomes = [
        private.start([b"svok"], by_exec=by_exec, env={**path, **kept})
        for by_exec in (True, False)
    ]
    for outcome in outcomes:
        (state,) = outcome.states
        # Nothing is left over from the warm parent, and the interpreter's LC_CTYPE
        # is not there either.
        assert state["env"] == {**path, **kept}
        assert state["zone"][0] == ("ABC" if b"TZ" in kept else "UTC")
