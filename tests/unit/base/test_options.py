"""Options as the originals take them, and djb's numbers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pytools.base.options import BadOption, getopt, scan_ulong

GOOD = {
    (b"-n", b"f"): ([(b"n", b"")], [b"f"]),
    (b"-nt5", b"f"): ([(b"n", b""), (b"t", b"5")], [b"f"]),
    (b"-t", b"5", b"f"): ([(b"t", b"5")], [b"f"]),
    (b"-t-n", b"f"): ([(b"t", b"-n")], [b"f"]),
    (b"-t", b"--", b"f"): ([(b"t", b"--")], [b"f"]),
    (b"f", b"-n"): ([], [b"f", b"-n"]),
    (b"-", b"-n"): ([], [b"-", b"-n"]),
    (b"--", b"-n"): ([], [b"-n"]),
    (b"--anything", b"-n"): ([], [b"-n"]),
    (b"", b"-n"): ([], [b"", b"-n"]),
    (): ([], []),
}


@pytest.mark.parametrize("words", GOOD, ids=repr)
def test_words_are_split_into_options_and_rest(words: tuple[bytes, ...]) -> None:
    assert getopt(list(words), b"nt:") == GOOD[words]


@pytest.mark.parametrize(
    ("words", "letter"),
    [
        ([b"-x"], b"x"),
        ([b"-nx"], b"x"),
        ([b"-n-"], b"-"),
        ([b"-t"], b"t"),
        ([b"-nt"], b"t"),
        ([b"-:"], b":"),
        ([b"-\xff"], b"\xff"),
    ],
    ids=repr,
)
def test_letter_that_is_none_is_named(words: list[bytes], letter: bytes) -> None:
    with pytest.raises(BadOption) as caught:
        getopt(words, b"nt:")
    assert caught.value.letter == letter


@pytest.mark.parametrize(
    "words", ["--foo lock", "-- lock", "-n- lock", "-nXx lock", "-x- lock", "- true"]
)
def test_setlock_takes_its_options_as_the_original(
    words: str, originals: str, python: list[str], tmp_path: Path
) -> None:
    ends = []
    for command in ([f"{originals}/setlock"], [*python, "setlock"]):
        done = subprocess.run(
            [*command, *words.split(), "printf", "ran"],
            cwd=tmp_path,
            capture_output=True,
            check=False,
            timeout=30,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path.cwd())},
        )
        ends.append((done.returncode, done.stdout, done.stderr))
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"", (0, 0)),
        (b"0", (0, 1)),
        (b"007x", (7, 3)),
        (b"12 3", (12, 2)),
        (b"-1", (0, 0)),
        (b"+1", (0, 0)),
        (b" 1", (0, 0)),
        (b"\xb2", (0, 0)),
        (b"18446744073709551617", (1, 20)),
    ],
)
def test_leading_digits_are_the_number(text: bytes, value: tuple[int, int]) -> None:
    assert scan_ulong(text) == value
