"""multilog and the small tools beside Debian's originals: the same, and both ways."""

from __future__ import annotations

import os
import random
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.support.until import until

TEXT = b"".join(
    b"%d %b: status %b\n" % (n, b"new" if n % 3 else b"end", b"y" * (n * 7 % 90))
    for n in range(600)
)


@pytest.fixture
def ours(python: list[str]) -> list[str]:
    return ["/usr/bin/env", f"PYTHONPATH={os.getcwd()}", *python]


def run(command: list[str], cwd: Path, data: bytes = b"") -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        command,
        cwd=cwd,
        input=data,
        capture_output=True,
        env={"PATH": os.environ["PATH"], "TZ": "XYZ-3"},
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def whole(log: Path) -> bytes:
    """All lines kept in a log directory."""
    files = sorted(log.glob("@*"))
    return b"".join(path.read_bytes() for path in [*files, log / "current"])


def listing(log: Path) -> list[tuple[str, int]]:
    """Names (without the time) and modes."""
    return sorted(
        (
            "@" + path.name[25:] if path.name[0] == "@" else path.name,
            path.stat().st_mode,
        )
        for path in log.iterdir()
    )


@pytest.mark.parametrize("ours_first", [True, False])
def test_log_directory_is_continued_by_the_other(
    ours: list[str], originals: str, tmp_path: Path, ours_first: bool
) -> None:
    pair = [[*ours, "multilog"], [f"{originals}/multilog"]]
    if not ours_first:
        pair.reverse()
    script = ["s4096", "n100", "!cat; cat <&4 >&5; echo >&5", "./log"]
    half = len(TEXT) // 2
    assert run([*pair[0], *script], tmp_path, TEXT[:half])[0] == 0
    left = listing(tmp_path / "log")
    assert run([*pair[1], *script], tmp_path, TEXT[half:])[0] == 0
    assert dict(left).keys() == dict(listing(tmp_path / "log")).keys()
    assert dict(left) == dict(listing(tmp_path / "log"))
    joined = TEXT[:half] + b"\n" + TEXT[half:]
    assert whole(tmp_path / "log") == joined


CRASHED = {
    "grown current": {"current": 0o644},
    "previous": {"current": 0o644, "previous": 0o744},
    "previous alone": {"previous": 0o644, "state": 0o644},
    "unfinished processed": {
        "current": 0o644,
        "previous": 0o744,
        "processed": 0o644,
        "newstate": 0o644,
        "state": 0o644,
    },
    "finished processed": {"current": 0o644, "previous": 0o744, "processed": 0o744},
    "clean": {"current": 0o744, "state": 0o644},
}


@pytest.mark.parametrize("case", CRASHED)
def test_start_after_a_crash_leaves_the_same_files(
    ours: list[str], originals: str, tmp_path: Path, case: str
) -> None:
    results = []
    for name, command in (("o", [*ours, "multilog"]), ("t", [f"{originals}/multilog"])):
        log = tmp_path / name
        log.mkdir()
        for file, mode in CRASHED[case].items():
            (log / file).write_bytes(f"{file}\n".encode())
            (log / file).chmod(mode)
        assert run([*command, f"./{name}"], tmp_path, b"new\n")[0] == 0
        texts = sorted((p.name[25:] or p.name, p.read_bytes()) for p in log.iterdir())
        results.append((listing(log), texts))
    assert results[0] == results[1]


def is_of_size(path: Path, size: int) -> bool:
    return path.stat().st_size == size


def test_lock_of_one_keeps_the_other_out(
    ours: list[str], originals: str, tmp_path: Path
) -> None:
    pair = [[*ours, "multilog", "./log"], [f"{originals}/multilog", "./log"]]
    current = tmp_path / "log/current"
    for times, (holder, other) in enumerate((pair, pair[::-1]), 1):
        with subprocess.Popen(holder, cwd=tmp_path, stdin=subprocess.PIPE) as child:
            assert child.stdin is not None
            child.stdin.write(b"x" * 2000 + b"\n")
            child.stdin.flush()
            # Not what the one before has left there.
            until(partial(is_of_size, current, 2001 * times))
            assert run(other, tmp_path)[0] == 111


SCRIPTS = [
    ["-*", "+*status*", "./log"],
    ["-*end*", "e", "=st", "./log", "-*", "+1*", "e", "./two"],
    ["+*", "-*: status ", "./log", "n1", "./two", "=st"],
    ["-**", "-a*b", "e"],
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_has_the_same_effects(
    ours: list[str], originals: str, tmp_path: Path, script: list[str]
) -> None:
    long_lines = b"1" * 999 + b"\n" + b"2" * 1000 + b"\n" + b"1" * 5000 + b"\n\n*a*b"
    results = []
    for name, command in (("o", [*ours, "multilog"]), ("t", [f"{originals}/multilog"])):
        place = tmp_path / name
        place.mkdir()
        status, _, errors = run([*command, *script], place, TEXT + long_lines)
        logs = [whole(place / d) for d in ("log", "two") if (place / d).exists()]
        shown = (place / "st").read_bytes() if (place / "st").exists() else b""
        results.append((status, errors, logs, shown))
    assert results[0] == results[1]


def test_random_patterns_select_the_same_lines(
    ours: list[str], originals: str, tmp_path: Path
) -> None:
    dice = random.Random(7)

    def word(most: int) -> str:
        return "".join(dice.choice("ab*") for _ in range(dice.randint(0, most)))

    lines = "".join(word(9) + "\n" for _ in range(400)).encode()
    script = []
    for number in range(40):
        script += ["-*", f"+{word(6)}", f"./{number:02}"]
    for name, command in (("o", [*ours, "multilog"]), ("t", [f"{originals}/multilog"])):
        (tmp_path / name).mkdir()
        assert run([*command, *script], tmp_path / name, lines)[0] == 0
    for number in range(40):
        pair = [tmp_path / name / f"{number:02}" / "current" for name in "ot"]
        assert pair[0].read_bytes() == pair[1].read_bytes(), script[number * 3 + 1]


LABELS = (
    b"@4000000037c219bf2ef02e94 hi\n@4000000037c219bfffffffff x\nplain @4000\n"
    b"@004000000037c219bf00000001z\n@40000000000000000000000a z\n\n"
    b"@3fffffff0000000000000001 q\n@4000001037c219bf00000001 b\n"
    b"@4000000037c219bf2ef02e94@4000000037c219bf2ef02e94\n"
    b"@14000000037c219bf00000001Z\n@400000006553f10000000000"
)


def test_tai64nlocal_prints_the_same(
    ours: list[str], originals: str, tmp_path: Path
) -> None:
    expected = run([f"{originals}/tai64nlocal"], tmp_path, LABELS)
    assert run([*ours, "tai64nlocal"], tmp_path, LABELS) == expected


ARGUMENTS = {
    "setuidgid": [[], ["root"], ["no-such", "true"]],
    "envuidgid": [[], ["root"], ["no-such", "true"], ["root", "no-such-program"]],
    "envdir": [[], ["x"], ["no-such", "true"], ["e", "no-such-program"], ["f", "true"]],
    "setlock": [
        *([], ["-z", "f", "true"], ["f"], ["e", "true"], ["-x", "e", "true"]),
        *(["-nNxX", "l", "no-such"], ["-x", "no/f", "true"], ["no/f", "true"]),
    ],
    "softlimit": [
        *([], ["-z", "true"], ["-m"], ["-m", "5x", "true"], ["-o", "50", "no-such"]),
        *(
            [
                "-o64",
                "-f",
                "1000",
                "-t=",
                "--",
                "/bin/sh",
                "-c",
                "ulimit -n; ulimit -f",
            ],
        ),
    ],
}


@pytest.mark.parametrize(
    ("name", "words"),
    [(name, words) for name, lists in ARGUMENTS.items() for words in lists],
)
def test_misuse_and_errors_read_the_same(
    ours: list[str], originals: str, tmp_path: Path, name: str, words: list[str]
) -> None:
    (tmp_path / "e").mkdir()
    (tmp_path / "f").write_bytes(b"")
    expected = run([f"{originals}/{name}", *words], tmp_path)
    assert run([*ours, name, *words], tmp_path) == expected
