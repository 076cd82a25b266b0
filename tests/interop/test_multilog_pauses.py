"""Where multilog pauses and tries again, beside the original: it warns, and goes on.

All cases run at once, as each of them has to wait for the five seconds of a pause.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from functools import partial
from pathlib import Path

from tests.interop.oracle import LABEL
from tests.support.until import until

FIRST_TIME = "test -e ../again || { touch ../again; %s; }; "
CASES = {
    "processor exits 1": (
        "s4096 n99",
        FIRST_TIME % "echo x; echo y >&5; exit 1" + "cat",
    ),
    "processor exits 111": ("s4096 n99", FIRST_TIME % "exit 111" + "tr x y"),
    "a directory made meanwhile": (
        "s4096 n99",
        FIRST_TIME % "mkdir ../log/newstate.d; exit 3" + "ls -d newstate.d",
    ),
}


def started(directory: str, place: Path, script: list[str]) -> subprocess.Popen[bytes]:
    place.mkdir()
    return subprocess.Popen(
        [f"{directory}/multilog", *script, "./log"],
        cwd=place,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin"},
    )


def left(place: Path) -> list[tuple[str, int, bytes]]:
    """Names, modes and contents; the names without their times."""
    return sorted(
        (
            re.sub("^@[0-9a-f]{24}", "@", path.name),
            path.stat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in (place / "log").iterdir()
    )


def test_a_processor_that_fails_at_first_is_run_again(
    launchers: Path, originals: str, tmp_path: Path
) -> None:
    text = b"".join(b"%d %s\n" % (n, b"x" * 300) for n in range(9))
    running = {}
    for case, (words, processor) in CASES.items():
        for side, directory in (("C", originals), ("ours", str(launchers))):
            place = tmp_path / f"{case} {side}"
            script = [*words.split(), f"!{processor}"]
            running[case, side] = started(directory, place, script), place
    seen = {}
    for child, _ in running.values():
        assert child.stdin is not None
        child.stdin.write(text)
        child.stdin.flush()
    for key, (child, place) in running.items():
        _, errors = child.communicate(timeout=60)
        seen[key] = child.returncode, errors, left(place)
    for case in CASES:
        status, errors, _ = seen[case, "C"]
        assert (status, errors.count(b"processor failed in ./log, pausing\n")) == (0, 1)
        assert seen[case, "ours"] == seen[case, "C"]


def is_in_state(pid: int, letter: str) -> bool:
    return f"State:\t{letter}" in Path(f"/proc/{pid}/status").read_text()


def waits(child: subprocess.Popen[bytes]) -> None:
    """Return when it sleeps, and it does so in read() only.

    The original lets signals in just before it reads: one that comes then waits for the
    next input.
    """
    until(partial(is_in_state, child.pid, "S"))


def signalled(directory: str, place: Path) -> tuple[object, ...]:
    """What ALRM and TERM leave at every stage, and what is left unread."""
    script = ["s4096", "-x*", "./log", "-*", "./empty"]
    read_end, write_end = os.pipe()
    place.mkdir()
    current = place / "log/current"
    stages: list[object] = []

    def child() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [f"{directory}/multilog", *script], cwd=place, stdin=read_end
        )

    first = child()
    os.write(write_end, b"one\ntwo\nx\nthr")
    until(lambda: current.stat().st_size == 8)
    waits(first)
    stages.append(left(place))
    first.send_signal(signal.SIGALRM)
    names = ["@.s", "current", "lock", "state"]
    until(lambda: [name for name, _, _ in left(place)] == names)
    waits(first)
    stages.append(left(place))
    # Both at once: TERM between ALRM's wakening and the next read() is heard by the
    # original only when something is read again.
    first.send_signal(signal.SIGSTOP)
    until(partial(is_in_state, first.pid, "T"))
    first.send_signal(signal.SIGALRM)
    first.send_signal(signal.SIGTERM)
    first.send_signal(signal.SIGCONT)
    os.write(write_end, b"ee\nfour\nxxx\nfi")
    assert first.wait(30) == 0
    stages.append(left(place))
    second = child()
    until(lambda: current.stat().st_size == 11)
    waits(second)
    stages.append(left(place))
    os.close(write_end)
    assert second.wait(30) == 0
    os.close(read_end)
    stages.append(left(place))
    stages.append([path.name for path in (place / "empty").glob("@*")])
    return tuple(stages)


def test_alarm_and_term_leave_the_same(
    launchers: Path, originals: str, tmp_path: Path
) -> None:
    ours = signalled(str(launchers), tmp_path / "ours")
    assert ours == signalled(originals, tmp_path / "C")
    assert not LABEL.search(repr(ours).encode())
